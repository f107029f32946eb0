# What the portal's machines may read, and the key that wraps the keyring.
path "kv/data/aiwriter/production" {
  capabilities = ["read"]
}
path "transit/encrypt/aiwriter" {
  capabilities = ["update"]
}
path "transit/decrypt/aiwriter" {
  capabilities = ["update"]
}
