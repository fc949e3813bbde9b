/** The text format of Prometheus: counters only grow, gauges go up and down. */
export function metricsOf(pipeline) {
  const stats = pipeline.stats()
  const metrics = [
    ['cdc_ready', 'gauge', Number(pipeline.health().ready)],
    ['cdc_lag_seconds', 'gauge', stats.lagMs / 1000],
    ['cdc_in_flight_events', 'gauge', stats.inFlight],
    ['cdc_unsaved_events', 'gauge', stats.unsavedEvents],
    ['cdc_read_events_total', 'counter', stats.read],
    ['cdc_published_events_total', 'counter', stats.published],
    ['cdc_failed_events_total', 'counter', stats.failed],
    ['cdc_retries_total', 'counter', stats.retries],
  ]
  return metrics.map(([name, type, value]) => `# TYPE ${name} ${type}\n${name} ${value}\n`).join('')
}
