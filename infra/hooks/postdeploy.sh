#!/bin/sh
# Sends the first event to what was just deployed and shows its result. azd runs it after `azd deploy`, with the outputs of
# infra/main.bicep in the environment; run it again whenever you like: the event is applied once.
#
#   AOS_URL                the deployed app                      (an output of infra/main.bicep)
#   AZURE_KEY_VAULT_NAME   the vault in which the token lies      (an output of infra/main.bicep)
#   AOS_TOKEN              the token itself, instead of the vault
#   AOS_FIRST_AGENT        who gets the event: counter
set -eu
agent=${AOS_FIRST_AGENT:-counter}
: "${AOS_URL:?AOS_URL is not set: run this through azd, or: eval \"\$(azd env get-values)\"}"

if [ -z "${AOS_TOKEN:-}" ]; then
    : "${AZURE_KEY_VAULT_NAME:?neither AOS_TOKEN nor AZURE_KEY_VAULT_NAME is set}"
    AOS_TOKEN=$(az keyvault secret show --vault-name "$AZURE_KEY_VAULT_NAME" --name aos-token --query value --output tsv) || {
        echo "postdeploy: the token cannot be read from $AZURE_KEY_VAULT_NAME: the role 'Key Vault Secrets User' may take a" \
            "few minutes after the first deployment; then run infra/hooks/postdeploy.sh again" >&2
        exit 1
    }
fi

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
echo "Sending the first event to $agent at $AOS_URL"
# The token goes in through standard input: a command line can be read by every user of the machine.
status=$(printf 'header = "Authorization: Bearer %s"\n' "$AOS_TOKEN" |
    curl --config - --silent --show-error --output "$answer" --write-out '%{http_code}' --max-time 120 \
        --retry 8 --retry-delay 5 --retry-connrefused \
        --header 'Content-Type: application/json' --header 'Idempotency-Key: first-event' \
        --data '{"data": "hello"}' "${AOS_URL%/}/api/v1/agents/$agent/events?wait=60") || {
    echo "postdeploy: $AOS_URL does not answer; the first start of a deployed app may take minutes" >&2
    exit 1
}
cat "$answer"
echo
case $status in
200) echo "The first event is done." ;;
202) echo "The first event is accepted; \`aos history $agent --url $AOS_URL\` shows what became of it." ;;
401 | 403) echo "postdeploy: HTTP $status: the app has another token; wait for its restart, or look at docs/deploy.md" >&2 && exit 1 ;;
*) echo "postdeploy: HTTP $status" >&2 && exit 1 ;;
esac
