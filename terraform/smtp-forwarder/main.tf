resource "juju_application" "smtp_forwarder" {
  name       = var.app_name
  model_uuid = var.model_uuid

  charm {
    name     = "smtp-forwarder"
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }

  config = var.config
}
