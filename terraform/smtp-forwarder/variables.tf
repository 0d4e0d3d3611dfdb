variable "app_name" {
  description = "Name of the application."
  type        = string
  default     = "smtp-forwarder"
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
      "administrator",
      "allowed_networks",
      "command_seconds",
      "expire_days",
      "listen",
      "max_connections",
      "max_connections_per_client",
      "max_message_size",
      "max_recipients",
      "metrics_port",
      "port",
      "rules",
      "wait_seconds",
      "when_unconfigured",
    ])) == 0
    error_message = "config: only options of the charm can be set; 'juju info --config smtp-forwarder' lists them."
  }
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
