import type { Metrics } from '@weir/runtime'

export type DedupMetrics = ReturnType<typeof dedupMetrics>

export const dedupMetrics = (metrics: Metrics) => {
  const gaugeOf = (name: string, help: string) => metrics.gauge(name, help, ['partition'])
  const ofPartition = {
    keysHeld: gaugeOf('weir_dedup_keys', 'Keys held.'),
    unfilteredKeys: gaugeOf(
      'weir_dedup_unfiltered_keys',
      'Keys whose filter does not fit DEDUP_FILTER_BYTES_MAX: every event is looked up among them on disk.',
    ),
    filterBytes: gaugeOf('weir_dedup_filter_bytes', 'Memory of the Bloom filters.'),
    lookups: gaugeOf('weir_dedup_lookups', 'Lookups of absent keys since the partition was assigned.'),
    falsePositives: gaugeOf(
      'weir_dedup_false_positives',
      'Lookups in weir_dedup_lookups for which a filter returned true.',
    ),
    restoreLeft: gaugeOf(
      'weir_dedup_restore_left_offsets',
      'Offsets of the state topic still to be read before the partition is ready.',
    ),
  }
  return {
    ...ofPartition,
    events: metrics.counter('weir_dedup_events_total', 'Webhooks processed since the start, by decision.', [
      'decision',
    ]),
    findings: metrics.counter(
      'weir_dedup_findings_total',
      'Repeats within 30 s and later retries, conflicts, signed content under another id, and events that follow a gap in the sequence of their interaction or come out of order.',
      ['class'],
    ),
    restoredRecords: metrics.counter('weir_dedup_restored_records_total', 'State records read by restores.'),
    /** Call when the partition is released, because its figures are no longer true here. */
    forget: (partition: number): void => {
      for (const gauge of Object.values(ofPartition)) gauge.remove({ partition: String(partition) })
    },
  }
}
