resource "juju_application" "smtp_sink" {
  name       = var.app_name
  model_uuid = var.model_uuid

  charm {
    name     = "smtp-sink"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }

  config      = var.config
  constraints = var.constraints
  units       = var.units
}
