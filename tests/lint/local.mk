# SPDX-License-Identifier: Apache-2.0
# lint_scripts are quick and also part of `make check`; lint_slow_scripts need tools that only
# .ci/run installs.
lint_scripts = \
	tests/lint/banned.sh \
	tests/lint/grants.sh \
	tests/lint/hygiene.sh \
	tests/lint/layers.sh \
	tests/lint/man.sh \
	tests/lint/selftest.sh \
	tests/lint/spdx.sh \
	tests/lint/symbols.sh
lint_slow_scripts = \
	tests/lint/format.sh \
	tests/lint/shell.sh
test_scripts += $(lint_scripts)
EXTRA_DIST += $(lint_slow_scripts) tests/lint/banned.txt tests/lint/grants.txt tests/lint/lib.sh tests/lint/strip-c \
	tests/lint/symbols.txt
