output "application" {
  description = "The application, as the provider knows it."
  value       = juju_application.smtp_integrator
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    smtp        = "smtp"
    smtp_legacy = "smtp-legacy"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    receive_ca_cert = "receive-ca-cert"
  }
}
