# With a mocked provider: nothing is asked of a cloud. `terraform test`

mock_provider "aws" {
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
      domain_validation_options = [{
        domain_name           = "portal.example.org"
        resource_record_name  = "_x.portal.example.org"
        resource_record_type  = "CNAME"
        resource_record_value = "_y.acm-validations.aws"
      }]
    }
  }
  mock_resource "aws_acm_certificate_validation" {
    defaults = {
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
    }
  }
  mock_resource "aws_iam_policy" {
    defaults = {
      arn = "arn:aws:iam::123456789012:policy/mocked"
    }
  }
  mock_resource "aws_lb" {
    defaults = {
      arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/x/0123456789abcdef"
    }
  }
  mock_resource "aws_lb_target_group" {
    defaults = {
      arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/x/0123456789abcdef"
    }
  }
}

variables {
  site           = "portal.example.org"
  zone_id        = "Z0000000000000000000"
  image          = "ami-00000000000000000"
  bucket         = "example-aiwriter"
  redis_password = "0123456789abcdef0123456789abcdef"
}

run "production_survives_a_zone" {
  assert {
    condition     = output.url == "https://portal.example.org"
    error_message = "The address is not the site's."
  }
  assert {
    condition     = length(output.hosts) == 2
    error_message = "Production needs two hosts."
  }
}

run "staging_is_small" {
  variables {
    environment = "staging"
  }
  assert {
    condition     = length(output.hosts) == 1
    error_message = "Staging has one host."
  }
}

run "database_is_closed_and_kept" {
  module {
    source = "../../modules/database"
  }
  variables {
    name            = "x"
    production      = true
    subnets         = ["subnet-1", "subnet-2"]
    security_groups = ["sg-1"]
  }
  assert {
    condition = alltrue([
      aws_db_instance.this.storage_encrypted, aws_db_instance.this.multi_az, aws_db_instance.this.deletion_protection,
      !aws_db_instance.this.publicly_accessible, !aws_db_instance.this.skip_final_snapshot,
      aws_db_instance.this.backup_retention_period >= 7,
    ])
    error_message = "A production database must be encrypted, doubled, protected, private and backed up."
  }
}

run "redis_takes_over" {
  module {
    source = "../../modules/redis"
  }
  variables {
    name            = "x"
    production      = true
    password        = "0123456789abcdef0123456789abcdef"
    subnets         = ["subnet-1"]
    security_groups = ["sg-1"]
  }
  assert {
    condition = alltrue([
      aws_elasticache_replication_group.this.automatic_failover_enabled,
      aws_elasticache_replication_group.this.transit_encryption_enabled,
    ])
    error_message = "Redis must take over, and speak TLS."
  }
}

run "bucket_is_private_and_locked" {
  module {
    source = "../../modules/bucket"
  }
  variables {
    name      = "example-aiwriter"
    lock_days = 14
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
      aws_s3_bucket.this.object_lock_enabled,
    ])
    error_message = "The bucket must be private and its objects locked."
  }
  assert {
    condition     = !strcontains(aws_iam_policy.this.policy, "s3:*") && !strcontains(aws_iam_policy.this.policy, "DeleteObjectVersion")
    error_message = "The portal may not delete versions."
  }
}

run "hosts_are_closed" {
  module {
    source = "../../modules/hosts"
  }
  variables {
    name            = "x"
    number          = 3
    image           = "ami-1"
    subnets         = ["subnet-1", "subnet-2"]
    security_groups = ["sg-1"]
  }
  assert {
    condition = alltrue([for host in aws_instance.this :
      host.metadata_options[0].http_tokens == "required" && host.root_block_device[0].encrypted && !host.associate_public_ip_address
    ])
    error_message = "Hosts must be without a public address, encrypted, and with metadata version 2 only."
  }
  assert {
    condition     = length(distinct(aws_instance.this[*].subnet_id)) == 2
    error_message = "Hosts must stand in both zones."
  }
}

run "one_zone_is_refused" {
  command = plan
  module {
    source = "../../modules/network"
  }
  variables {
    name  = "x"
    zones = ["eu-central-1a"]
  }
  expect_failures = [var.zones]
}

run "a_short_password_is_refused" {
  command = plan
  module {
    source = "../../modules/redis"
  }
  variables {
    name            = "x"
    production      = true
    password        = "short"
    subnets         = ["subnet-1"]
    security_groups = ["sg-1"]
  }
  expect_failures = [var.password]
}
