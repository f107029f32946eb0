# `bao agent -config=agent.hcl` as a unit of its own, before aiwriter.target. Also for Vault. It signs in with AppRole,
# renews, and writes each secret as a file that only the portal's group can read.
vault {
  address = "https://bao.example.org:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/aiwriter/bao/role_id"
      secret_id_file_path                 = "/etc/aiwriter/bao/secret_id"
      remove_secret_id_file_after_reading = true
    }
  }
  sink "file" {
    config = {
      path = "/run/aiwriter-bao/token"
      mode = 0440
    }
  }
}

template {
  contents    = "{{ with secret \"kv/data/aiwriter/production\" }}{{ .Data.data.database_url }}{{ end }}"
  destination = "/etc/aiwriter/secrets/database_url"
  perms       = "0440"
  exec {
    command = ["systemctl", "try-restart", "aiwriter-web@blue", "aiwriter-web@green", "aiwriter-worker@blue"]
  }
}

template {
  contents    = "{{ with secret \"kv/data/aiwriter/production\" }}{{ .Data.data.redis_url }}{{ end }}"
  destination = "/etc/aiwriter/secrets/redis_url"
  perms       = "0440"
}
