import type { Metrics } from '@weir/service-kit'

export type DedupMetrics = ReturnType<typeof dedupMetrics>

export const dedupMetrics = (metrics: Metrics) => ({
  events: metrics.counter('weir_dedup_events_total', 'Webhooks decided about, since the start.', [
    'decision',
  ]),
  keysHeld: metrics.gauge('weir_dedup_keys', 'Keys held.', ['partition']),
  filterBytes: metrics.gauge('weir_dedup_filter_bytes', 'Memory of the Bloom filters.', ['partition']),
  lookups: metrics.gauge('weir_dedup_lookups', 'Keys looked up since the partition was taken.', [
    'partition',
  ]),
  falsePositives: metrics.gauge(
    'weir_dedup_false_positives',
    'Times a filter said perhaps and the store said no, since the partition was taken.',
    ['partition'],
  ),
  restoredRecords: metrics.counter('weir_dedup_restored_records_total', 'State records read back.'),
})
