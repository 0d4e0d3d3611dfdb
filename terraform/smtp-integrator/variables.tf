variable "app_name" {
  description = "Name of the application."
  type        = string
  default     = "smtp-integrator"
}

variable "base" {
  description = "Operating system to deploy on."
  type        = string
  default     = "ubuntu@24.04"
}

variable "channel" {
  description = "Channel of Charmhub to deploy from."
  type        = string
  default     = "latest/stable"
}

variable "config" {
  description = "Options of the charm, by their names."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.config), [
      "auth_type",
      "check_relay",
      "domain",
      "host",
      "oauth_secret",
      "password",
      "password_secret",
      "port",
      "recipients",
      "skip_ssl_verify",
      "smtp_sender",
      "tls_ca_chain",
      "transport_security",
      "user",
    ])) == 0
    error_message = "config: only options of the charm can be set; 'juju info --config smtp-integrator' lists them."
  }
}

variable "constraints" {
  description = "Constraints of the machines, such as \"mem=2G\"."
  type        = string
  default     = null
}

variable "model_uuid" {
  description = "UUID of the model to deploy into."
  type        = string
}

variable "revision" {
  description = "Revision of the charm; without it, the newest one of the channel."
  type        = number
  default     = null
}

variable "units" {
  description = "Number of units."
  type        = number
  default     = 1
}
