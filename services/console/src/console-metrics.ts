import type { Metrics } from '@weir/runtime'

export type ConsoleMetrics = ReturnType<typeof consoleMetrics>

export const consoleMetrics = (metrics: Metrics) => ({
  questions: metrics.counter(
    'weir_console_questions_total',
    'Questions about events and interactions, by status of the response.',
    ['status'],
  ),
  events: metrics.gauge('weir_console_events', 'Events held in memory.'),
  letters: metrics.gauge('weir_console_dead_lettered_events', 'Events with dead letters held in memory.'),
  lag: metrics.gauge('weir_console_lag_records', 'Records that the index has not read yet.'),
})
