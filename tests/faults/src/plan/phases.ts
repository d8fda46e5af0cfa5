/**
 * crash-points: the failpoints. freezes: those between the assignment of a partition and its first transaction, each a
 * sleep longer than a session. starts: the same at random moments. services: kills and pauses of instances. scaling:
 * instances that come and go. brokers, servers: kills and stops. influx: killed, stalled, slow. black-holes: the
 * registry, PostgreSQL and InfluxDB accept and never answer. network: cuts between services and a broker, and between
 * brokers. clocks: the time of day of a service and of a broker steps. disk: a broker's is full. deleted-group: the
 * offsets of every group are lost. older-state: an older copy of dedup's state is put back.
 */
export const PHASES = [
  'crash-points',
  'freezes',
  'starts',
  'services',
  'scaling',
  'brokers',
  'servers',
  'influx',
  'black-holes',
  'network',
  'clocks',
  'disk',
  'deleted-group',
  'older-state',
] as const
export type Phase = (typeof PHASES)[number]

/** Which begin when their events are judged, each on a rig of its own: they may stop partitions. */
export const AFTERMATHS = ['deleted-group', 'older-state'] as const satisfies readonly Phase[]
export type Aftermath = (typeof AFTERMATHS)[number]

export const isAftermath = (phase: Phase): phase is Aftermath =>
  (AFTERMATHS as readonly Phase[]).includes(phase)

/** On rigs with short sessions and more partitions, where a transaction is open most of the time. */
export const STARTING = ['freezes', 'starts'] as const satisfies readonly Phase[]

/** On a rig whose network, clocks and disk can be broken. */
export const OUTSIDE = ['network', 'clocks', 'disk'] as const satisfies readonly Phase[]

/** What must follow. */
export const endOf = (phase: Phase): string =>
  isAftermath(phase)
    ? 'goes on exactly, or parks its partitions with a message, and goes on exactly once its command was run'
    : 'goes on exactly'
