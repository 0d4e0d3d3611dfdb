variable "app_name" {
  description = "Name of the application."
  type        = string
  default     = "smtp-sink"
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
      "bind-address",
      "introspection-ca",
      "introspection-url",
      "password",
      "password-secret",
      "plain-port",
      "refuse-passwords",
      "starttls-port",
      "tls-port",
      "user",
    ])) == 0
    error_message = "config: only options of the charm can be set; 'juju info --config smtp-sink' lists them."
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
