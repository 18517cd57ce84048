# SPDX-License-Identifier: Apache-2.0
man_MANS += man/kmsctl.1 man/claviger.7
EXTRA_DIST += man/kmsctl.1 man/claviger.7
