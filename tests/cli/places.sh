#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Where keys may be, and be used from: every constraint, when something is made and at every use, for
# the owner as for others; and what constraints never refuse.
# shellcheck disable=SC2086 # names without blanks
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
# shellcheck source=tests/support/kmsctl.sh
. "$srcdir/tests/support/kmsctl.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME
"$kmsctl" init --quiet --softhsm --location europe-west2 --location global >log 2>&1
london=projects/demo/locations/europe-west2/keyRings/london
global=projects/demo/locations/global/keyRings/global
invalid=2 denied=3 refused=9

works() { gives 0 "$@"; }

# constraint NAME SPEC: sets it for the project.
constraint()
{
	printf '{"name":"projects/demo/policies/%s","spec":{"rules":[%s]}}\n' "$1" "$2" >constraint.json
	works "$1 is set" org-policies set-policy constraint.json
}
ends() { works "$1 is taken away" org-policies delete "$1"; }

# uses STATUS NAME KEY [OPTION...]
uses()
{
	uses_status=$1
	uses_name=$2
	uses_key=$3
	shift 3
	gives "$uses_status" "$uses_name" encrypt --key "$uses_key" --plaintext-file plain --ciphertext-file c "$@"
}

echo 'Dear customer' >plain
works 'a ring in London' keyrings create $london
works 'a ring for the world' keyrings create $global
for key in $london/cryptoKeys/k $global/cryptoKeys/k; do
	works "a key ${key#projects/demo/}" keys create $key --purpose encryption --destroy-scheduled-duration 24h
	uses 0 'is used' $key
done
l=$london/cryptoKeys/k g=$global/cryptoKeys/k
owner=$("$kmsctl" status --format 'value(owner)')

# ---- where keys may be

constraint gcp.resourceLocations '{"values":{"allowedValues":["in:europe-west2-locations"]}}'
gives $refused 'no ring elsewhere' keyrings create projects/demo/locations/global/keyRings/other
says 'with the text of Cloud KMS' \
	'FAILED_PRECONDITION: .*constraints/gcp\.resourceLocations violated for \[orgpolicy:projects/demo\]'
gives $refused 'no key elsewhere' keys create $global/cryptoKeys/other --purpose encryption
gives $refused 'no version elsewhere' keys versions create --key $g
gives $refused 'no import job elsewhere' import-jobs create $global/importJobs/j \
	--import-method rsa-oaep-3072-sha1-aes-256 --protection-level software
works 'but here' keys create $london/cryptoKeys/other --purpose encryption
uses $denied 'a key elsewhere is not used either, by the owner neither' $g
says 'which names the constraint' 'PERMISSION_DENIED: .*gcp\.resourceLocations'
uses 0 'one here is' $l
works 'switching off is never refused' keys versions disable 1 --key $g
works 'nor scheduling the end' keys versions destroy 1 --key $g
ends gcp.resourceLocations
works 'what was to end is kept' keys versions restore 1 --key $g
works 'and on again' keys versions enable 1 --key $g
uses 0 'and used' $g
constraint gcp.resourceLocations \
	'{"values":{"allowedValues":["in:europe-west2-locations","global"],"deniedValues":["global"]}}'
uses $denied 'deny wins' $g
ends gcp.resourceLocations

# ---- what kind of key

constraint cloudkms.allowedProtectionLevels '{"values":{"allowedValues":["is:HSM"]}}'
gives $refused 'no key of another level' keys create $london/cryptoKeys/soft --purpose encryption
works 'one of this level' keys create $london/cryptoKeys/hard --purpose encryption --protection-level hsm
uses $denied 'a key of another level is not used' $l
says 'which names the constraint' 'cloudkms\.allowedProtectionLevels'
uses 0 'one of this level is' $london/cryptoKeys/hard
ends cloudkms.allowedProtectionLevels
uses 0 'without it the other as well' $l

# ---- how keys end

constraint cloudkms.minimumDestroyScheduledDuration '{"values":{"allowedValues":["in:7d"]}}'
gives $refused 'no key that would end sooner' \
	keys create $london/cryptoKeys/soon --purpose encryption --destroy-scheduled-duration 48h
works 'one that would not' keys create $london/cryptoKeys/late --purpose encryption --destroy-scheduled-duration 240h
works 'the order for a key with a shorter delay' keys versions destroy 1 --key $l
works 'is shown' keys versions describe 1 --key $l --format 'value(destroyTime)'
in_six_days=$(date -u -d '+6 days' +%Y-%m-%d)
case $(printf '%s\n%s\n' "$in_six_days" "$(cut -c1-10 out)" | sort | head -n 1) in
"$in_six_days") pass 'and waits seven days' ;;
*) fail 'and waits seven days' "$(cat out)" ;;
esac
works 'it is taken back' keys versions restore 1 --key $l
works 'and enabled' keys versions enable 1 --key $l
ends cloudkms.minimumDestroyScheduledDuration

constraint cloudkms.disableBeforeDestroy '{"enforce":true}'
gives $refused 'what is enabled is not destroyed' keys versions destroy 1 --key $l
says 'which names the constraint' 'cloudkms\.disableBeforeDestroy'
works 'first it is disabled' keys versions disable 1 --key $l
works 'then it is' keys versions destroy 1 --key $l
works 'restore' keys versions restore 1 --key $l
works 'enable' keys versions enable 1 --key $l
ends cloudkms.disableBeforeDestroy

# ---- where callers run

constraint claviger.callerLocations '{"values":{"allowedValues":["in:key-location"]}}'
uses 0 'from a zone of the key' $l --from europe-west2-b
uses $denied 'from another region' $l --from europe-west1-b
says 'which names the constraint' 'claviger\.callerLocations'
uses $denied 'from a place that nobody knows' $l
uses $denied 'from a place that is in no tree' $l --from atlantis
works 'switching off is never refused' keys versions disable 1 --key $l
works 'and on' keys versions enable 1 --key $l --from europe-west2-b
ends claviger.callerLocations
printf '{"name":"%s/policies/claviger.callerLocations","spec":{"rules":[{"values":{"allowedValues":["europe-west2"]}}]}}\n' \
	$l >constraint.json
works 'one for a key alone' org-policies set-policy constraint.json
uses 0 'from there' $l --from europe-west2-a
uses $denied 'not from elsewhere' $l --from europe-west1-b
uses 0 'and the others are free' $london/cryptoKeys/other --from europe-west1-b
works 'it is described' org-policies describe claviger.callerLocations --keyring $london --key k
works 'and taken away' org-policies delete claviger.callerLocations --keyring $london --key k
uses 0 'from everywhere again' $l --from europe-west1-b

# A component's place comes from the registry.
role=roles/cloudkms.cryptoKeyEncrypterDecrypter
worker=serviceAccount:worker@example.com
works 'a worker gets its role' projects add-iam-policy-binding demo --quiet --member $worker --role $role
constraint claviger.callerLocations '{"values":{"allowedValues":["in:key-location"]}}'
uses $denied 'nobody knows where it runs' $l --as $worker
printf '{"components":[{"principal":"%s","component":"worker","project":"demo","service":"dataflow.googleapis.com","place":"europe-west2-b"}]}\n' \
	$worker >components.json
works 'the registry says it' policy set components components.json
uses 0 'and it may' $l --as $worker
uses 0 'as part of a job' $l --as $worker --from europe-west2-a --job-id 2026-11-25_1 --component shuffle
line=$(tail -n 1 "$CLAVIGER_HOME/audit/audit.jsonl")
like 'the log says who it was, for what' "$line" \
	'"actor":"user:.*"component":"shuffle".*"job_id":"2026-11-25_1".*"place":"europe-west2-a","principal":"'"$worker"
like 'a job id is short' "$("$kmsctl" keyrings list --location europe-west2 --job-id "$(printf '%0300d' 0)" 2>&1)" \
	'job id is too long: at most 255 bytes'
sed 's/europe-west2-b/europe-west1-b/' components.json >moved.json
works 'it moves' policy set components moved.json
uses $denied 'and it may not' $l --as $worker
ends claviger.callerLocations

# ---- the London zone with a Belgian endpoint

sed 's/"place":"europe-west2-b"/&,"endpointRegion":"europe-west1"/' components.json >endpoint.json
works 'a worker with an endpoint elsewhere' policy set components endpoint.json
constraint claviger.endpointRegion '{"enforce":true}'
uses $denied 'needs another key than that of its zone' $l --as $worker
says 'which names the constraint' 'claviger\.endpointRegion'
uses 0 'a global one' $g --as $worker
sed 's/"endpointRegion":"europe-west1"/"endpointRegion":"europe-west2"/' endpoint.json >same.json
works 'with an endpoint in its region' policy set components same.json
uses 0 'the key of the region will do' $l --as $worker
ends claviger.endpointRegion

# ---- where messages are stored

topic=serviceAccount:topic@example.com
works 'a topic gets its role' projects add-iam-policy-binding demo --quiet --member $topic --role $role
printf '{"components":[{"principal":"%s","component":"topic","project":"demo","service":"pubsub.googleapis.com","storageRegions":["europe-west2","us-east1"]}]}\n' \
	$topic >components.json
works 'a topic that is stored in two regions' policy set components components.json
constraint claviger.storageRegions '{"enforce":true}'
uses $denied 'does not use the key of one of them' $l --as $topic
says 'which names the constraint' 'claviger\.storageRegions'
sed 's/,"us-east1"//' components.json >one.json
works 'stored in one' policy set components one.json
uses 0 'it does' $l --as $topic
ends claviger.storageRegions

# ---- who has to have a key, and whose

constraint gcp.restrictNonCmekServices '{"values":{"deniedValues":["pubsub.googleapis.com"]}}'
gives $refused 'no topic without a key' policy set components components.json
says 'which names the constraint' 'gcp\.restrictNonCmekServices'
printf '{"components":[{"principal":"%s","component":"topic","project":"demo","service":"pubsub.googleapis.com","storageRegions":["europe-west2"],"key":"%s"}]}\n' \
	$topic $l >keyed.json
works 'but one with a key' policy set components keyed.json
gives $refused 'which it keeps' policy set components components.json
ends gcp.restrictNonCmekServices
sed 's/"project":"demo"/"project":"other"/' keyed.json >other.json
constraint gcp.restrictCmekCryptoKeyProjects '{"values":{"allowedValues":["projects/demo"]}}'
works 'a component of another project with a key of this one' policy set components other.json
uses 0 'uses it' $l --as $topic
ends gcp.restrictCmekCryptoKeyProjects

# ---- who administers does not use

constraint claviger.separationOfDuties '{"enforce":true}'
uses $denied 'the owner administers, and so does not use' $l
says 'which names the constraint' 'claviger\.separationOfDuties'
uses 0 'who only uses, does' $l --as $topic
gives $refused 'nobody is given both' \
	projects add-iam-policy-binding demo --member $topic --role roles/cloudkms.admin
says 'which names the constraint' 'claviger\.separationOfDuties'
ends claviger.separationOfDuties
uses 0 'without it the owner uses keys as well' $l

# ---- what is refused when it is set

printf '{"name":"projects/demo/policies/gcp.unknown","spec":{"rules":[{"enforce":true}]}}\n' >bad.json
gives $invalid 'a constraint that we do not have' org-policies set-policy bad.json
printf '{"name":"projects/demo/policies/gcp.resourceLocations","spec":{"rules":[{"enforce":true}]}}\n' >bad.json
gives $invalid 'a switch where values belong' org-policies set-policy bad.json
printf '{"spec":{"rules":[{"enforce":true}]}}\n' >bad.json
gives $invalid 'one without a name' org-policies set-policy bad.json
gives $denied 'a stranger sets none' --as user:eve org-policies set-policy constraint.json
gives $denied 'and sees none' --as user:eve org-policies list

# ---- explained

constraint claviger.callerLocations '{"values":{"allowedValues":["in:key-location"]}}'
works 'explain' policy explain $l --as $worker --from europe-west1-b --action decrypt
like 'names the rule' "$(cat out)" '^rule: constraint:claviger\.callerLocations$'
works 'explain for a place that is allowed' policy explain $l --as $worker --from europe-west2-b --action decrypt
like 'names the binding' "$(cat out)" "^rule: binding:projects/demo#$role\$"
works 'explain for a stranger' policy explain $l --as user:eve --from europe-west2-b --action decrypt
like 'names the silence' "$(cat out)" '^rule: default-deny$'
like 'and who could change it' "$(cat out)" 'roles/cloudkms\.cryptoKeyDecrypter'
works 'explain for the owner' policy explain $l --from europe-west2-b --action decrypt
like 'is the owner' "$(cat out)" '^rule: home-owner$'
gives $denied 'a stranger gets no explanation' --as user:eve --from europe-west2-b policy lint
is 'the owner is known' "$owner" "user:$(id -un)"
printf '{"cases":[{"as":"%s","from":"europe-west2-b","action":"decrypt","resource":"%s","expect":"allow"},{"as":"%s","from":"europe-west1-b","action":"decrypt","resource":"%s","expect":"deny","rule":"constraint:claviger.callerLocations"}]}\n' \
	$worker $l $worker $l >cases.json
works 'expected decisions' policy test cases.json
sed 's/"expect":"deny"/"expect":"allow"/' cases.json >wrong.json
gives $refused 'one that is not as expected' policy test wrong.json
works 'lint' policy lint --format json
tap_done
