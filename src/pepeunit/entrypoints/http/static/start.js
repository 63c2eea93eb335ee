window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: document.querySelector("script[data-document]").dataset.document,
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
  });
});
