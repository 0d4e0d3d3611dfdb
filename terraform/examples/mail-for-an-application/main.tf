# A relay for two applications: one that reads the relation `smtp` by itself, and one that knows
# nothing but sendmail and 127.0.0.1:25, which the forwarder serves on each of its units.

variable "model_uuid" {
  description = "UUID of the model, which exists."
  type        = string
}

variable "relay_password" {
  description = "Password of SMTP AUTH at the relay."
  type        = string
  sensitive   = true
}

resource "juju_secret" "relay_password" {
  model_uuid = var.model_uuid
  name       = "relay-password"
  value      = { password = var.relay_password }
}

module "smtp_integrator" {
  source     = "../../smtp-integrator"
  model_uuid = var.model_uuid
  config = {
    host               = "smtp.example.com"
    port               = 587
    transport_security = "starttls"
    auth_type          = "plain"
    user               = "notifier"
    password_secret    = juju_secret.relay_password.secret_uri
  }
}

# The one grant that the operator owes: related applications get a secret of the integrator's own.
resource "juju_access_secret" "relay_password" {
  model_uuid   = var.model_uuid
  secret_id    = juju_secret.relay_password.secret_id
  applications = [module.smtp_integrator.application.name]
}

resource "juju_application" "indico" {
  name       = "indico"
  model_uuid = var.model_uuid
  charm { name = "indico" }
}

resource "juju_integration" "indico_smtp" {
  model_uuid = var.model_uuid
  application {
    name     = module.smtp_integrator.application.name
    endpoint = module.smtp_integrator.provides.smtp
  }
  application {
    name     = juju_application.indico.name
    endpoint = "smtp"
  }
}

module "smtp_forwarder" {
  source     = "../../smtp-forwarder"
  model_uuid = var.model_uuid
}

resource "juju_integration" "forwarder_smtp" {
  model_uuid = var.model_uuid
  application {
    name     = module.smtp_integrator.application.name
    endpoint = module.smtp_integrator.provides.smtp
  }
  application {
    name     = module.smtp_forwarder.application.name
    endpoint = module.smtp_forwarder.requires.smtp
  }
}

resource "juju_application" "scripts" {
  name       = "scripts"
  model_uuid = var.model_uuid
  charm {
    name = "ubuntu"
    # The forwarder's, because a subordinate joins an application of its own base alone.
    base = "ubuntu@24.04"
  }
}

resource "juju_integration" "forwarder_host" {
  model_uuid = var.model_uuid
  application {
    name     = module.smtp_forwarder.application.name
    endpoint = module.smtp_forwarder.requires.host
  }
  application {
    name     = juju_application.scripts.name
    endpoint = "juju-info"
  }
}
