// Starts Swagger UI. Its own default asks validator.swagger.io about the description.
window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  validatorUrl: null,
});
