/* SPDX-License-Identifier: Apache-2.0 */
/* hsm_C_WrapKey(mod, ...) and its siblings. The trace sees names and results only. */
#ifndef HSM_CALL_H
#define HSM_CALL_H

#include "hsm/module.h"

#define HSM_PARAMS(...) __VA_ARGS__
#define HSM_ARGS(...) __VA_ARGS__
#define HSM_CALL(name, params, args)                                                               \
	static inline CK_RV hsm_##name(const struct hsm_module *mod, params)                       \
	{                                                                                          \
		CK_RV rv;                                                                          \
                                                                                                   \
		if (mod->fn->name == NULL)                                                         \
			return CKR_FUNCTION_NOT_SUPPORTED;                                         \
		rv = mod->fn->name(args);                                                          \
		if (mod->trace != NULL)                                                            \
			mod->trace(#name, rv);                                                     \
		return rv;                                                                         \
	}
#include "hsm/call.def"
#undef HSM_CALL

#endif
