import type { Metrics } from '@weir/runtime'

export type NormalizerMetrics = ReturnType<typeof normalizerMetrics>

export const normalizerMetrics = (metrics: Metrics) => ({
  events: metrics.counter('weir_normalizer_events_total', 'Webhooks normalised or given up.', ['outcome']),
  leftOut: metrics.counter(
    'weir_normalizer_fields_left_out_total',
    'Unknown fields that are in the raw bytes only.',
    ['reason'],
  ),
})

export type SchemaMetrics = ReturnType<typeof schemaMetrics>

/** Of the instance that counts shapes; the others have none. */
export const schemaMetrics = (metrics: Metrics) => ({
  adopted: metrics.gauge(
    'weir_schema_adopted_events',
    'Events whose shape is the newest of their event type.',
    ['source'],
  ),
  total: metrics.gauge('weir_schema_events', 'Events whose shape was counted.', ['source']),
  rate: metrics.gauge('weir_schema_adoption_percent', 'Adopted of all.', ['source']),
  versions: metrics.gauge('weir_schema_versions', 'Numbered shapes of all event types.', ['source']),
  oldestArriving: metrics.gauge(
    'weir_schema_oldest_arriving_version',
    'Lowest version number that still came in the last hour.',
    ['source'],
  ),
  overLimit: metrics.gauge(
    'weir_schema_over_limit_events',
    'Events of shapes beyond the limit, since the start.',
  ),
})
