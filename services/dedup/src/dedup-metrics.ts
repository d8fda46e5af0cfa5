import type { Metrics } from '@weir/runtime'

export type DedupMetrics = ReturnType<typeof dedupMetrics>

export const dedupMetrics = (metrics: Metrics) => {
  const gaugeOf = (name: string, help: string) => metrics.gauge(name, help, ['partition'])
  const ofPartition = {
    keysHeld: gaugeOf('weir_dedup_keys', 'Keys held.'),
    unfilteredKeys: gaugeOf(
      'weir_dedup_unfiltered_keys',
      'Keys whose filter does not fit DEDUP_FILTER_BYTES_MAX: each event is looked up among them on disk.',
    ),
    filterBytes: gaugeOf('weir_dedup_filter_bytes', 'Memory of the Bloom filters.'),
    lookups: gaugeOf(
      'weir_dedup_lookups',
      'Keys looked up that were not there, since the partition was taken.',
    ),
    falsePositives: gaugeOf(
      'weir_dedup_false_positives',
      'Of weir_dedup_lookups, those for which a filter said perhaps.',
    ),
    restoreLeft: gaugeOf(
      'weir_dedup_restore_left_offsets',
      'Offsets of the state topic still to be read before the partition is ready.',
    ),
  }
  return {
    ...ofPartition,
    events: metrics.counter('weir_dedup_events_total', 'Webhooks decided about, since the start.', [
      'decision',
    ]),
    findings: metrics.counter(
      'weir_dedup_findings_total',
      'Repeats within 30 s and later retries; conflicts; signed content under another id; events that come after a gap in the sequence of their interaction, or out of order.',
      ['class'],
    ),
    restoredRecords: metrics.counter('weir_dedup_restored_records_total', 'State records read back.'),
    /** Its partition is given up: what was true of it is not any more. */
    forget: (partition: number): void => {
      for (const gauge of Object.values(ofPartition)) gauge.remove({ partition: String(partition) })
    },
  }
}
