// A service as a Node.js team would write it: OpenTelemetry's own SDK for traces and logs, its HTTP
// instrumentation, export to OTEL_EXPORTER_OTLP_ENDPOINT. Prints its port; ends on SIGTERM.
const { logs, SeverityNumber } = require("@opentelemetry/api-logs");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-proto");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

const resource = resourceFromAttributes({ "service.name": "node-service" });
const tracers = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
tracers.register();
const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
});
logs.setGlobalLoggerProvider(loggers);
registerInstrumentations({ instrumentations: [new HttpInstrumentation()] });

const http = require("node:http"); // after the instrumentation, which patches it
const log = logs.getLogger("orders");
const server = http.createServer((request, response) => {
  log.emit({
    severityNumber: SeverityNumber.WARN,
    body: "order refused",
    attributes: { "order.id": 7, correlation_id: request.headers["x-correlation-id"] },
  });
  response.end("{}");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("SIGTERM", async () => {
  server.close();
  await Promise.all([tracers.shutdown(), loggers.shutdown()]);
  process.exit(0);
});
