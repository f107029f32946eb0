# PostgreSQL as a service. The password is made and kept by the cloud's secrets store; it is in no variable and no output.

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
  default = "db.t4g.medium"
}

variable "gigabytes" {
  type    = number
  default = 50
}

variable "engine_version" {
  type    = string
  default = "15"
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnets
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = "postgres${var.engine_version}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  # For the capture of changes.
  parameter {
    name         = "rds.logical_replication"
    value        = "1"
    apply_method = "pending-reboot"
  }
  parameter {
    name  = "idle_in_transaction_session_timeout"
    value = "600000"
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier                      = var.name
  engine                          = "postgres"
  engine_version                  = var.engine_version
  instance_class                  = var.instance
  allocated_storage               = var.gigabytes
  max_allocated_storage           = var.gigabytes * 4
  storage_type                    = "gp3"
  storage_encrypted               = true
  db_name                         = "portal"
  username                        = "aiwriter"
  manage_master_user_password     = true
  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = var.security_groups
  parameter_group_name            = aws_db_parameter_group.this.name
  publicly_accessible             = false
  multi_az                        = var.production
  backup_retention_period         = var.production ? 14 : 3
  deletion_protection             = var.production
  skip_final_snapshot             = !var.production
  final_snapshot_identifier       = var.production ? "${var.name}-last" : null
  copy_tags_to_snapshot           = true
  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  enabled_cloudwatch_logs_exports = ["postgresql"]
}

output "address" {
  value = aws_db_instance.this.address
}

output "secret" {
  description = "Where the password is: name it in the path of the External Secrets, or read it with the cloud's client."
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}
