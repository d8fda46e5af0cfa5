import type { Metrics } from '@weir/runtime'

export type NormalizerMetrics = ReturnType<typeof normalizerMetrics>

export const normalizerMetrics = (metrics: Metrics) => ({
  events: metrics.counter(
    'weir_normalizer_events_total',
    'Webhooks by outcome: normalised or dead-lettered.',
    ['outcome'],
  ),
  leftOut: metrics.counter(
    'weir_normalizer_fields_left_out_total',
    'Unknown fields that only the raw bytes keep, by reason.',
    ['reason'],
  ),
})

export type SchemaMetrics = ReturnType<typeof schemaMetrics>

/** Metrics of the one instance that counts shapes. */
export const schemaMetrics = (metrics: Metrics) => ({
  adopted: metrics.gauge('weir_schema_adopted_events', 'Events with the newest shape of their event type.', [
    'source',
  ]),
  total: metrics.gauge('weir_schema_events', 'Events with a counted shape.', ['source']),
  rate: metrics.gauge(
    'weir_schema_adoption_percent',
    'Percentage of counted events that have the newest shape of their event type.',
    ['source'],
  ),
  versions: metrics.gauge('weir_schema_versions', 'Numbered shapes of all event types.', ['source']),
  oldestArriving: metrics.gauge(
    'weir_schema_oldest_arriving_version',
    'Lowest version number of any event type among events of the last hour.',
    ['source'],
  ),
  overLimit: metrics.gauge(
    'weir_schema_over_limit_events',
    'Events with a shape beyond the limit of shapes, since the process started.',
  ),
})
