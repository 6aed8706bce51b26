# Sends the first event to what was just deployed and shows its result; postdeploy.sh says more.
$ErrorActionPreference = 'Stop'
$agent = if ($env:AOS_FIRST_AGENT) { $env:AOS_FIRST_AGENT } else { 'counter' }
if (-not $env:AOS_URL) { throw 'AOS_URL is not set: run this through azd' }
$token = $env:AOS_TOKEN
if (-not $token) {
    if (-not $env:AZURE_KEY_VAULT_NAME) { throw 'neither AOS_TOKEN nor AZURE_KEY_VAULT_NAME is set' }
    $token = az keyvault secret show --vault-name $env:AZURE_KEY_VAULT_NAME --name aos-token --query value --output tsv
    if ($LASTEXITCODE -ne 0) { throw "the token cannot be read from $env:AZURE_KEY_VAULT_NAME; the role may take a few minutes" }
}
Write-Host "Sending the first event to $agent at $env:AOS_URL"
$address = "$($env:AOS_URL.TrimEnd('/'))/api/v1/agents/$agent/events?wait=60"
$headers = @{ Authorization = "Bearer $token"; 'Idempotency-Key' = 'first-event' }
Invoke-RestMethod -Method Post -Uri $address -Headers $headers -ContentType 'application/json' -Body '{"data": "hello"}' `
    -MaximumRetryCount 8 -RetryIntervalSec 5 -TimeoutSec 120 | ConvertTo-Json -Depth 8
