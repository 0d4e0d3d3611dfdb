output "application" {
  description = "The application, as the provider knows it."
  value       = juju_application.smtp_sink
}

output "provides" {
  description = "Endpoints that the charm provides."
  value       = {}
}

output "requires" {
  description = "Endpoints that the charm requires."
  value       = {}
}
