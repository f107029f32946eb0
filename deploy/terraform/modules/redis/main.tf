# Redis that takes over by itself. It only wakes workers, so nothing is kept on disk and no snapshot is made.

variable "name" {
  type = string
}

variable "subnets" {
  type = list(string)
}

variable "security_groups" {
  type = list(string)
}

variable "production" {
  type = bool
}

variable "instance" {
  type    = string
  default = "cache.t4g.small"
}

variable "password" {
  type      = string
  sensitive = true
  validation {
    condition     = length(var.password) >= 32
    error_message = "password must have 32 characters or more."
  }
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnets
}

resource "aws_elasticache_parameter_group" "this" {
  name   = var.name
  family = "redis7"
  # A full Redis must say so; dropping messages silently would only look healthy.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "Wakes the workers of ${var.name}"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.instance
  num_cache_clusters         = var.production ? 2 : 1
  automatic_failover_enabled = var.production
  multi_az_enabled           = var.production
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = var.security_groups
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  auth_token                 = var.password
  snapshot_retention_limit   = 0
}

output "address" {
  value = aws_elasticache_replication_group.this.primary_endpoint_address
}
