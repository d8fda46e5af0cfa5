import type { Metrics } from '@weir/service-kit'

export type DedupMetrics = ReturnType<typeof dedupMetrics>

export const dedupMetrics = (metrics: Metrics) => ({
  events: metrics.counter('weir_dedup_events_total', 'Webhooks decided about, since the start.', [
    'decision',
  ]),
  findings: metrics.counter(
    'weir_dedup_findings_total',
    'Repeats within 30 s and later retries; conflicts; events that come after a gap in the sequence of their interaction, or out of order.',
    ['class'],
  ),
  keysHeld: metrics.gauge('weir_dedup_keys', 'Keys held.', ['partition']),
  unfilteredKeys: metrics.gauge(
    'weir_dedup_unfiltered_keys',
    'Keys whose filter does not fit DEDUP_FILTER_BYTES_MAX: each event is looked up among them on disk.',
    ['partition'],
  ),
  filterBytes: metrics.gauge('weir_dedup_filter_bytes', 'Memory of the Bloom filters.', ['partition']),
  lookups: metrics.gauge(
    'weir_dedup_lookups',
    'Keys looked up that were not there, since the partition was taken.',
    ['partition'],
  ),
  falsePositives: metrics.gauge(
    'weir_dedup_false_positives',
    'Of weir_dedup_lookups, those for which a filter said perhaps.',
    ['partition'],
  ),
  restoredRecords: metrics.counter('weir_dedup_restored_records_total', 'State records read back.'),
  restoreLeft: metrics.gauge(
    'weir_dedup_restore_left_offsets',
    'Offsets of the state topic still to be read before the partition is ready.',
    ['partition'],
  ),
})
