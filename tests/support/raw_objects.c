/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_objects HOME: lists the objects of a home's SoftHSM tokens with plain PKCS#11, nothing of
 * ours in between. One line each: class, "ED" (CKA_ENCRYPT, CKA_DECRYPT; '-' for false), CKA_ID in
 * hexadecimal, label.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST *fn;

static void need(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "raw_objects: %s: 0x%lx\n", what, rv);
	exit(1);
}

/* The PIN file has the name of the location, the token's label ends with it. */
static CK_ULONG read_pin(const char *home, const CK_TOKEN_INFO *info, char pin[64])
{
	char label[33], path[1024];
	FILE *file;
	CK_ULONG n;

	memcpy(label, info->label, 32);
	label[32] = '\0';
	for (size_t i = 32; i > 0 && label[i - 1] == ' '; i--)
		label[i - 1] = '\0';
	snprintf(path, sizeof path, "%s/pins/%s.pin", home, strrchr(label, ' ') + 1);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	n = fread(pin, 1, 63, file);
	fclose(file);
	return n;
}

static const char *class_name(CK_OBJECT_CLASS class)
{
	switch (class) {
	case CKO_SECRET_KEY:
		return "secret";
	case CKO_PUBLIC_KEY:
		return "public";
	case CKO_PRIVATE_KEY:
		return "private";
	case CKO_DATA:
		return "data";
	default:
		return "other";
	}
}

static void print_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	CK_BBOOL encrypt = CK_FALSE, decrypt = CK_FALSE;
	CK_OBJECT_CLASS class = 0;
	unsigned char id[64], label[256];
	CK_ATTRIBUTE a[] = { { CKA_CLASS, &class, sizeof class },
			     { CKA_ID, id, sizeof id },
			     { CKA_LABEL, label, sizeof label },
			     { CKA_ENCRYPT, &encrypt, sizeof encrypt },
			     { CKA_DECRYPT, &decrypt, sizeof decrypt } };

	for (size_t i = 0; i < sizeof a / sizeof a[0]; i++) {
		if (fn->C_GetAttributeValue(session, object, &a[i], 1) != CKR_OK)
			a[i].ulValueLen =
				0; /* data objects have no id, public keys do not decrypt */
	}
	printf("%s %c%c ", class_name(class), encrypt ? 'E' : '-', decrypt ? 'D' : '-');
	for (CK_ULONG i = 0; i < a[1].ulValueLen; i++)
		printf("%02x", id[i]);
	printf("%s %.*s\n", a[1].ulValueLen == 0 ? "-" : "",
	       a[2].ulValueLen == 0 ? 1 : (int) a[2].ulValueLen,
	       a[2].ulValueLen == 0 ? "-" : (const char *) label);
}

static void print_slot(const char *home, CK_SLOT_ID slot)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE objects[64];
	CK_TOKEN_INFO info;
	CK_ULONG n = 1;
	char pin[64];

	need(fn->C_GetTokenInfo(slot, &info), "C_GetTokenInfo");
	if ((info.flags & CKF_USER_PIN_INITIALIZED) == 0)
		return;
	need(fn->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
	n = read_pin(home, &info, pin);
	if (fn->C_Login(session, CKU_USER, (CK_UTF8CHAR *) pin, n) != CKR_OK)
		printf("other -- - cannot log in\n"); /* an orphan: its PIN file is another's now */
	need(fn->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
	do {
		need(fn->C_FindObjects(session, objects, 64, &n), "C_FindObjects");
		for (CK_ULONG i = 0; i < n; i++)
			print_object(session, objects[i]);
	} while (n > 0);
	need(fn->C_CloseSession(session), "C_CloseSession");
}

int main(int argc, char **argv)
{
	CK_RV (*get_list)(CK_FUNCTION_LIST * *list);
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	char conf[1024];
	void *dl;

	if (argc != 2)
		return 2;
	snprintf(conf, sizeof conf, "%s/softhsm/softhsm2.conf", argv[1]);
	setenv("SOFTHSM2_CONF", conf, 1);
	dl = dlopen(CLV_SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
	if (dl == NULL)
		return 1;
	*(void **) &get_list = dlsym(dl, "C_GetFunctionList");
	need(get_list(&fn), "C_GetFunctionList");
	need(fn->C_Initialize(NULL), "C_Initialize");
	need(fn->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
	for (CK_ULONG i = 0; i < n; i++)
		print_slot(argv[1], slots[i]);
	need(fn->C_Finalize(NULL), "C_Finalize");
	return 0;
}
