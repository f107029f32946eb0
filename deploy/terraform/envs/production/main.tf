# The topology ha on AWS; with environment = "staging" the topology standard, small.

variable "environment" {
  type    = string
  default = "production"
  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment is staging or production."
  }
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "zones" {
  type    = list(string)
  default = ["eu-central-1a", "eu-central-1b"]
}

variable "site" {
  type = string
}

variable "zone_id" {
  type = string
}

variable "image" {
  type = string
}

variable "bucket" {
  type = string
}

variable "redis_password" {
  type      = string
  sensitive = true
}

locals {
  name       = "aiwriter-${var.environment}"
  production = var.environment == "production"
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { project = "aiwriter", environment = var.environment }
  }
}

module "network" {
  source = "../../modules/network"
  name   = local.name
  zones  = var.zones
}

module "database" {
  source          = "../../modules/database"
  name            = local.name
  production      = local.production
  instance        = local.production ? "db.m7g.large" : "db.t4g.small"
  gigabytes       = local.production ? 100 : 20
  subnets         = module.network.data_subnets
  security_groups = [module.network.groups.data]
}

module "redis" {
  source          = "../../modules/redis"
  name            = local.name
  production      = local.production
  password        = var.redis_password
  subnets         = module.network.data_subnets
  security_groups = [module.network.groups.data]
}

module "bucket" {
  source    = "../../modules/bucket"
  name      = var.bucket
  lock_days = local.production ? 14 : 0
}

module "hosts" {
  source          = "../../modules/hosts"
  name            = local.name
  number          = local.production ? 2 : 1
  instance        = local.production ? "m7g.xlarge" : "t4g.medium"
  image           = var.image
  subnets         = module.network.private_subnets
  security_groups = [module.network.groups.app]
  policies        = { bucket = module.bucket.access_policy }
}

module "dns_tls" {
  source          = "../../modules/dns_tls"
  name            = local.name
  site            = var.site
  zone_id         = var.zone_id
  vpc_id          = module.network.vpc_id
  subnets         = module.network.public_subnets
  security_groups = [module.network.groups.edge]
  hosts           = module.hosts.ids
}

output "url" {
  value = module.dns_tls.url
}

output "hosts" {
  value = module.hosts.addresses
}

output "database" {
  value = { address = module.database.address, secret = module.database.secret }
}

output "redis" {
  value = module.redis.address
}

output "bucket" {
  value = module.bucket.name
}
