output "application" {
  description = "The application, as the provider knows it."
  value       = juju_application.smtp_forwarder
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    relay = "relay"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    certificates = "certificates"
    host         = "host"
    smtp         = "smtp"
  }
}
