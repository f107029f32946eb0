# Machines for the portal, one after the other in the zones. No public address, no SSH: sessions go through the cloud's manager.

variable "name" {
  type = string
}

variable "number" {
  type = number
  validation {
    condition     = var.number >= 1 && var.number <= 20
    error_message = "number must be between 1 and 20."
  }
}

variable "subnets" {
  type = list(string)
}

variable "security_groups" {
  type = list(string)
}

variable "image" {
  description = "A Debian 12, by its id."
  type        = string
}

variable "instance" {
  type    = string
  default = "t4g.large"
}

variable "gigabytes" {
  type    = number
  default = 60
}

variable "policies" {
  description = "What the machines may do, by a name of yours: the bucket's policy, say."
  type        = map(string)
  default     = {}
}

locals {
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-host"
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy_attachment" "sessions" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy_attachment" "given" {
  for_each   = var.policies
  role       = aws_iam_role.this.name
  policy_arn = each.value
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-host"
  role = aws_iam_role.this.name
}

resource "aws_instance" "this" {
  count                       = var.number
  ami                         = var.image
  instance_type               = var.instance
  subnet_id                   = var.subnets[count.index % length(var.subnets)]
  vpc_security_group_ids      = var.security_groups
  iam_instance_profile        = aws_iam_instance_profile.this.name
  associate_public_ip_address = false
  ebs_optimized               = true
  monitoring                  = true

  metadata_options {
    # A request that was led astray cannot get the machine's identity.
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = var.gigabytes
    encrypted   = true
  }
  tags = { Name = "${var.name}-${count.index + 1}" }
  lifecycle {
    # A newer image is rolled out on purpose, one machine after the other.
    ignore_changes = [ami]
  }
}

output "ids" {
  value = aws_instance.this[*].id
}

output "addresses" {
  value = aws_instance.this[*].private_ip
}
