/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 URIs (RFC 7512, read by p11-kit) and the PIN that they point to. A PIN comes from a file
 * and goes into a clv_secret; it is never part of a URI, an argument or the environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <p11-kit/uri.h>

#include "hsm/internal.h"

#define PIN_MAX 256 /* bytes; PKCS#11 tokens take far less */

static P11KitUri *uri_free(P11KitUri *uri)
{
	if (uri != NULL)
		p11_kit_uri_free(uri);
	return NULL;
}
CLV_DEFINE_AUTO(P11KitUri, uri_free);

void hsm_trim(char *to, size_t size, const unsigned char *from, size_t from_len)
{
	while (from_len > 0 && (from[from_len - 1] == ' ' || from[from_len - 1] == '\0'))
		from_len--;
	if (from_len >= size)
		from_len = size - 1;
	for (size_t i = 0; i < from_len; i++)
		to[i] = from[i] < 0x20 || from[i] == 0x7f ? '?' : (char) from[i];
	to[from_len] = '\0';
}

/* Copies a file name, relative names behind `base_dir`. */
static clv_rc copy_path(const char *what, const char *base_dir, const char *path, char *to,
			size_t size, struct clv_err *err)
{
	int n;

	if (path[0] == '/' || base_dir == NULL)
		n = snprintf(to, size, "%s", path);
	else
		n = snprintf(to, size, "%s/%s", base_dir, path);
	if (n < 0 || (size_t) n >= size)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "PKCS#11 URI: %s is too long", what);
	return CLV_OK;
}

static clv_rc copy_pin_source(P11KitUri *uri, const char *base_dir, struct hsm_uri *to,
			      struct clv_err *err)
{
	const char *source = p11_kit_uri_get_pin_source(uri);

	if (source == NULL)
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"PKCS#11 URI: add pin-source=FILE, the file that holds the user PIN");
	if (strncmp(source, "file:", 5) == 0)
		source += 5;
	if (strncmp(source, "///", 3) == 0)
		source += 2; /* file:///path */
	if (source[0] == '|')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 URI: pin-source must be a file; commands are not run");
	return copy_path("pin-source", base_dir, source, to->pin_source, sizeof to->pin_source,
			 err);
}

clv_rc hsm_uri_parse(const char *text, const char *base_dir, struct hsm_uri *ret_uri,
		     struct clv_err *err)
{
	CLV_AUTO(uri_free) P11KitUri *uri = p11_kit_uri_new();
	struct hsm_uri out = { 0 };
	const char *module, *conf;
	int rc;

	if (uri == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a PKCS#11 URI");
	rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri);
	if (rc != P11_KIT_URI_OK)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"not a PKCS#11 URI (%s); it looks like "
				"'pkcs11:serial=S?module-path=/FILE.so&pin-source=/FILE'",
				p11_kit_uri_message(rc));
	/* Looked for in the text as well: the value must not even be kept. */
	if (p11_kit_uri_get_pin_value(uri) != NULL || strstr(text, "pin-value=") != NULL)
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"PKCS#11 URI: pin-value shows the PIN to everybody; use pin-source=FILE");
	module = p11_kit_uri_get_module_path(uri);
	if (module == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 URI: add module-path=FILE, the token's PKCS#11 library");
	CLV_TRY(copy_path("module-path", NULL, module, out.module_path, sizeof out.module_path,
			  err));
	CLV_TRY(copy_pin_source(uri, base_dir, &out, err));
	conf = p11_kit_uri_get_vendor_query(uri, "x-softhsm2-conf");
	/* Written by us when a home makes its own SoftHSM token; nobody else's file is ours to
	 * touch. */
	out.ours = conf != NULL && base_dir != NULL;
	if (out.ours && strcmp(conf, HSM_SOFTHSM_CONF) != 0)
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"PKCS#11 URI: x-softhsm2-conf is for SoftHSM tokens that a home made "
			"itself; for others set SOFTHSM2_CONF");
	if (conf != NULL)
		CLV_TRY(copy_path("x-softhsm2-conf", base_dir, conf, out.conf, sizeof out.conf,
				  err));
	out.match = *p11_kit_uri_get_token_info(uri);
	hsm_trim(out.serial, sizeof out.serial, out.match.serialNumber,
		 sizeof out.match.serialNumber);
	hsm_trim(out.label, sizeof out.label, out.match.label, sizeof out.match.label);
	if (out.serial[0] == '\0' && out.label[0] == '\0')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 URI: name the token by serial=S or token=LABEL");
	*ret_uri = out;
	return CLV_OK;
}

bool hsm_uri_matches(const struct hsm_uri *uri, const CK_TOKEN_INFO *info)
{
	char serial[17], label[33];

	hsm_trim(serial, sizeof serial, info->serialNumber, sizeof info->serialNumber);
	hsm_trim(label, sizeof label, info->label, sizeof info->label);
	return (uri->serial[0] == '\0' || strcmp(uri->serial, serial) == 0) &&
	       (uri->label[0] == '\0' || strcmp(uri->label, label) == 0);
}

static clv_rc check_pin_file(const char *source, const struct stat *st, struct clv_err *err)
{
	if (S_ISDIR(st->st_mode))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "PIN file %s is a folder", source);
	if (S_ISREG(st->st_mode) && st->st_uid != geteuid() && st->st_uid != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PIN file %s belongs to user %u, neither you nor root", source,
				(unsigned) st->st_uid);
	if (S_ISREG(st->st_mode) && (st->st_mode & 077) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PIN file %s can be read by others; set its mode to 0600", source);
	return CLV_OK;
}

static clv_rc read_pin(int fd, const char *source, struct clv_secret *pin, size_t *ret_len,
		       struct clv_err *err)
{
	uint8_t *bytes = clv_secret_mutable_bytes(pin);
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, bytes + len, clv_secret_len(pin) - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "PIN file %s", source);
		if (n == 0)
			break;
		len += (size_t) n;
		if (len == clv_secret_len(pin))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"PIN file %s: more than %d bytes", source, PIN_MAX);
	}
	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	if (len == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "PIN file %s is empty", source);
	*ret_len = len;
	return CLV_OK;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

clv_rc hsm_pin_read(const char *pin_source, struct clv_secret **ret_pin,
		    struct hsm_pin_mark *ret_mark, struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd) int fd = open(pin_source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	CLV_AUTO(clv_secret_free) struct clv_secret *pin = NULL;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "PIN file %s", pin_source);
	CLV_TRY(check_pin_file(pin_source, &st, err));
	CLV_TRY(clv_secret_new(PIN_MAX + 2, &pin, err));
	CLV_TRY(read_pin(fd, pin_source, pin, &len, err));
	clv_secret_shrink(pin, len);
	snprintf(ret_mark->text, sizeof ret_mark->text, "%llu:%llu:%lld.%09ld:%lld",
		 (unsigned long long) st.st_dev, (unsigned long long) st.st_ino,
		 (long long) st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long) st.st_size);
	*ret_pin = CLV_TAKE(pin);
	return CLV_OK;
}
