#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who may use which key: the lines of a pipeline's article with `gcloud` and `gcloud kms` replaced by
# kmsctl, then the refusals, conditions, roles, and that of parallel edits none is lost.
# shellcheck disable=SC2016,SC2086 # the dollars in single quotes are Perl's; $london is two options
set -eu
# shellcheck source=tests/support/tap.sh
. "${srcdir:?}/tests/support/tap.sh"
kmsctl=${KMSCTL:-${top_builddir:?}/tools/kmsctl/kmsctl}
cd "${TMPDIR:?}"
CLAVIGER_HOME=$PWD/home
export CLAVIGER_HOME
unset CLAVIGER_PROJECT XDG_DATA_HOME
"$kmsctl" init --quiet --softhsm --location europe-west2 --location global >log 2>&1

# gcloud [kms|iam] ARGUMENT...: the files out and err are what kmsctl says, $rc its status.
gcloud()
{
	if [ "$1" = kms ] || [ "$1" = iam ]; then shift; fi
	rc=0
	"$kmsctl" "$@" >out 2>err </dev/null || rc=$?
}
# gives STATUS NAME gcloud kms ARGUMENT...
gives()
{
	wanted=$1
	name=$2
	shift 2
	"$@"
	if [ "$rc" -eq "$wanted" ]; then
		pass "$name"
	else
		fail "$name" "status $rc, $wanted wanted: $(cat out err)"
	fi
}
works() { gives 0 "$@"; }
says() { like "$1" "$(cat err)" "$2"; }
prints() { like "$1" "$(cat out)" "$2"; }
denied=3
london='--location=europe-west2 --keyring=str-pl-london-kr'
key=projects/demo/locations/europe-west2/keyRings/str-pl-london-kr/cryptoKeys/str-pl-london-key01
pubsub=serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com
dataflow=serviceAccount:service-1@dataflow-service-producer-prod.iam.gserviceaccount.com
compute=serviceAccount:1-compute@developer.gserviceaccount.com
bq=serviceAccount:bq-1@bigquery-encryption.iam.gserviceaccount.com
storage=serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com
role=roles/cloudkms.cryptoKeyEncrypterDecrypter

# ---- the lines of the article

works 'a key ring in London' \
	gcloud kms keyrings create str-pl-london-kr --location europe-west2
works 'and a key' \
	gcloud kms keys create str-pl-london-key01 --location europe-west2 --keyring str-pl-london-kr --purpose encryption
works 'a global key ring' \
	gcloud kms keyrings create str-pl-global-kr --location global
works 'and a key' \
	gcloud kms keys create str-pl-global-key01 --location global --keyring str-pl-global-kr --purpose encryption
works 'the topic service may use all keys' \
	gcloud projects add-iam-policy-binding demo --member=$pubsub --role=$role
says 'as gcloud says it' '^Updated IAM policy for project \[demo\]\.$'
prints 'and shows the policy' "^  - $pubsub\$"
works 'the table service may use the London key' \
	gcloud kms keys add-iam-policy-binding --project=demo --member $bq --role $role --location=europe-west2 --keyring=str-pl-london-kr str-pl-london-key01
says 'as gcloud says it' '^Updated IAM policy for key \[str-pl-london-key01\]\.$'
works 'the stream service may use all keys' \
	gcloud projects add-iam-policy-binding demo --member=$dataflow --role=$role
works 'the compute service may use all keys' \
	gcloud projects add-iam-policy-binding demo --member=$compute --role=$role
works 'the storage service may use the London key' \
	gcloud kms keys add-iam-policy-binding --project=demo --member $storage --role $role --location=europe-west2 --keyring=str-pl-london-kr str-pl-london-key01

# ---- what comes of it

echo 'Dear customer' >plain
# may PRINCIPAL KEY STATUS
may()
{
	gives "$3" "$1 on ${2##*/}: status $3" \
		gcloud --as "$1" encrypt --key "$2" --plaintext-file plain --ciphertext-file "cipher.${2##*/}"
}
global=projects/demo/locations/global/keyRings/str-pl-global-kr/cryptoKeys/str-pl-global-key01
for who in $pubsub $dataflow $compute; do
	may "$who" $key 0
	may "$who" $global 0
done
for who in $bq $storage; do
	may "$who" $key 0
	may "$who" $global $denied
done
may user:eve $key $denied
says 'with the text of Cloud KMS' \
	"PERMISSION_DENIED: Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '$key' \(or it may not exist\)\."
gcloud --as user:eve encrypt --key $key --plaintext-file plain --ciphertext-file c
sed "s,$key,KEY," err >there
gcloud --as user:eve encrypt --key ${key%01}99 --plaintext-file plain --ciphertext-file c
sed "s,${key%01}99,KEY," err >missing
is 'a stranger cannot tell what is there' "$(cat missing)" "$(cat there)"
gives $denied 'nor who else may' gcloud --as user:eve keys get-iam-policy $key
gives $denied 'nor give himself a role' \
	gcloud --as user:eve keys add-iam-policy-binding $key --member user:eve --role $role
works 'the service decrypts what it encrypted' \
	gcloud --as $bq decrypt --key $key --ciphertext-file cipher.str-pl-london-key01 --plaintext-file back
is 'and gets it back' "$(cat back)" 'Dear customer'

works 'the grant of the storage service goes' \
	gcloud kms keys remove-iam-policy-binding str-pl-london-key01 $london --member $storage --role $role
may $storage $key $denied
may $bq $key 0
gives 4 'it cannot go twice' \
	gcloud kms keys remove-iam-policy-binding str-pl-london-key01 $london --member $storage --role $role
works 'the grant of the topic service goes, for all keys' \
	gcloud projects remove-iam-policy-binding demo --member=$pubsub --role=$role
may $pubsub $key $denied
may $pubsub $global $denied
may $dataflow $global 0

# ---- every noun

works 'a policy of a key ring' \
	gcloud kms keyrings add-iam-policy-binding str-pl-london-kr --location europe-west2 --member user:ada --role roles/cloudkms.viewer
says 'says so' '\[str-pl-london-kr\]'
works 'who may look, does' gcloud --as user:ada keys list $london
gives $denied 'but not elsewhere' gcloud --as user:ada keys list --location=global --keyring=str-pl-global-kr
works 'an import job' \
	gcloud kms import-jobs create job $london --import-method rsa-oaep-3072-sha1-aes-256 --protection-level software
works 'and its policy' \
	gcloud kms import-jobs add-iam-policy-binding job $london --member user:cleo --role roles/cloudkms.importer
works 'shown' gcloud kms import-jobs get-iam-policy job $london --format json
prints 'as JSON' '"user:cleo"'
works 'and emptied' gcloud kms import-jobs remove-iam-policy-binding job $london --member user:cleo --role roles/cloudkms.importer
works 'in the singular too' gcloud project get-iam-policy demo
works 'the policy as a file' gcloud kms keys get-iam-policy str-pl-london-key01 $london --format json
cp out policy.json
works 'is set again' gcloud kms keys set-iam-policy str-pl-london-key01 policy.json $london
gives 10 'but not twice: its etag is old' gcloud kms keys set-iam-policy str-pl-london-key01 policy.json $london
says 'as Cloud KMS says it' 'ABORTED: There were concurrent policy changes\. Please retry the whole read-modify-write with exponential backoff\.'

# ---- what is refused

key_add() { gcloud kms keys add-iam-policy-binding str-pl-london-key01 $london "$@"; }
gives 2 'an unknown role' key_add --member user:ada --role roles/none
says 'is named' 'roles/none'
gives 2 'an unknown kind of member' key_add --member robot:ada --role $role
says 'is named' 'robot:ada'
gives 2 'a condition that is more than we evaluate' \
	key_add --member user:ada --role $role '--condition=expression=request.auth.claims.x == 1,title=t'
gives 2 'a condition without a title' \
	key_add --member user:ada --role $role '--condition=expression=request.time < timestamp("2031-01-01T00:00:00Z")'
says 'which is what is missing' 'no title'
gives 2 'no member' key_add --role $role
gives 2 'a policy that is no JSON' gcloud kms keys set-iam-policy str-pl-london-key01 plain $london
gives 4 'a key that is not there' \
	gcloud kms keys add-iam-policy-binding nothing $london --member user:ada --role $role

# ---- conditions

works 'a condition that holds' \
	key_add --member user:dan --role $role '--condition=expression=request.time < timestamp("2131-01-01T00:00:00Z"),title=for now,description=a, b'
may user:dan $key 0
works 'is shown' gcloud kms keys get-iam-policy str-pl-london-key01 $london
prints 'with its expression' 'expression: request.time < timestamp\("2131-01-01T00:00:00Z"\)$'
prints 'its title' 'title: for now$'
prints 'and its description' 'description: a, b$'
prints 'in version 3' '^version: 3$'
gives 2 'now others must say theirs' key_add --member user:fay --role $role
says 'which may be None' 'condition=None'
works 'None is one' key_add --member user:fay --role $role --condition=None
printf '{"expression":"request.time < timestamp(\\"2021-01-01T00:00:00Z\\")","title":"over"}' >over.json
works 'a condition from a file' key_add --member user:gil --role $role --condition-from-file over.json
may user:gil $key $denied
gives 4 'removing needs the same condition' \
	gcloud kms keys remove-iam-policy-binding str-pl-london-key01 $london --member user:gil --role $role --condition=None
works 'or all' \
	gcloud kms keys remove-iam-policy-binding str-pl-london-key01 $london --member user:gil --role $role --all
works 'with another separator' \
	key_add --member user:gil --role $role '--condition=^:^title=soon:expression=request.time > timestamp("2131-01-01T00:00:00Z")'
may user:gil $key $denied

# ---- roles

works 'roles are listed' gcloud iam roles list
prints 'those of Cloud KMS' '^roles/cloudkms\.cryptoKeyEncrypterDecrypter '
works 'one is described' gcloud iam roles describe roles/cloudkms.cryptoKeyDecrypter
prints 'with its permissions' '^- cloudkms\.cryptoKeyVersions\.useToDecrypt$'
works "a role of one's own" \
	gcloud iam roles create signer --project=demo --title Signer --permissions=cloudkms.cryptoKeyVersions.useToSign --stage=GA
works 'gets more' gcloud iam roles update signer --project=demo --add-permissions=cloudkms.cryptoKeyVersions.useToEncrypt
works 'is given' key_add --member user:hal --role projects/demo/roles/signer --condition=None
may user:hal $key 0
works 'gets less' gcloud iam roles update signer --project=demo --remove-permissions=cloudkms.cryptoKeyVersions.useToEncrypt
may user:hal $key $denied
gives 5 'is made once' gcloud iam roles create signer --project=demo --permissions=cloudkms.cryptoKeys.get
works 'and listed' gcloud iam roles list --project=demo --format='value(name)'
is 'by name' "$(cat out)" projects/demo/roles/signer
gives 2 'a permission that is none' gcloud iam roles create bad --project=demo --permissions=cloudkms.everything
gives 2 'what is built in stays' gcloud iam roles delete roles/cloudkms.admin
works 'but ours goes' gcloud iam roles delete signer --project=demo
gives 4 'and is gone' gcloud iam roles describe signer --project=demo

# ---- parallel edits

n=8
i=0
while [ $i -lt $n ]; do
	"$kmsctl" keyrings add-iam-policy-binding str-pl-global-kr --location global --quiet \
		--member user:par$i --role $role >/dev/null 2>err.$i &
	i=$((i + 1))
done
wait
gcloud kms keyrings get-iam-policy str-pl-global-kr --location global
is 'of parallel edits none is lost' "$(grep -c 'user:par' out)" $n

# ---- what the log says of acting as another

grep -h '"principal":"user:dan"' "$CLAVIGER_HOME"/audit/* 2>/dev/null | grep useToEncrypt >said || true
like 'acting as another is written down' "$(cat said)" 'user:dan'
tap_done
