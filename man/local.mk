# SPDX-License-Identifier: Apache-2.0
man_MANS += man/kmsctl.1
EXTRA_DIST += man/kmsctl.1
