# SPDX-License-Identifier: Apache-2.0
claviger_sources +=
