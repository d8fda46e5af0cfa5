import { DEAD_LETTER_STAGES, LETTER_TOPICS, REPLAY_TOPICS } from './dead-letter-stages.ts'
import type { TopicRole } from './topics.ts'

/** The topics of one processor. The name of a processor is its consumer group. */
interface ProcessorTopics {
  readonly inputs: readonly TopicRole[]
  /** Without its changelog and the notes of first reads. */
  readonly outputs: readonly TopicRole[]
  /** Topics that it follows without committing offsets. */
  readonly reads?: readonly TopicRole[]
  readonly state?: TopicRole
}

/**
 * intake: takes webhooks over HTTP. processor: works from topics to topics. sink: writes to a store outside of Kafka.
 * api: answers people over HTTP. generator: makes traffic for trials and tests.
 */
type ServiceKind = 'intake' | 'processor' | 'sink' | 'api' | 'generator'

interface ServiceFacts {
  readonly kind: ServiceKind
  /** Default port of the probes, and of the API of a service that has one. */
  readonly port: number
  /** Whether one instance can be too few for the load of a deployment. Tests of scaling add instances of these. */
  readonly scales?: true
  /** Processors of the service, by their consumer groups. */
  readonly processors?: Readonly<Record<string, ProcessorTopics>>
  /** Topics besides those of the processors. */
  readonly reads?: readonly TopicRole[]
  readonly writes?: readonly TopicRole[]
  /** Which of the database's roles the service uses. */
  readonly database?: 'writer' | 'reader'
  /** Whether the service records in `audit.log.v1` what people do. */
  readonly isAudited?: true
}

/**
 * Every service. The name is the folder below `services`, the service in docker-compose.yml, the user that Kafka gives
 * rights to, and the prefix of metrics and settings. docs/guides/add-a-service.md says what else a new one needs.
 */
export const SERVICES = {
  ingress: { kind: 'intake', port: 3000, reads: ['settings'], writes: ['received', 'settings'] },
  dedup: {
    kind: 'processor',
    port: 3010,
    scales: true,
    processors: {
      dedup: {
        inputs: ['received', DEAD_LETTER_STAGES.dedup.replay],
        outputs: ['unique', 'stats', 'duplicates', DEAD_LETTER_STAGES.dedup.letters],
        state: 'seen',
      },
    },
  },
  normalizer: {
    kind: 'processor',
    port: 3011,
    scales: true,
    processors: {
      normalizer: {
        inputs: ['unique', DEAD_LETTER_STAGES.normalizer.replay],
        outputs: ['normalized', DEAD_LETTER_STAGES.normalizer.letters, 'shapes'],
        reads: ['schemasObserved', 'schemasApproved'],
      },
      'normalizer-schemas': { inputs: ['shapes'], outputs: [], state: 'schemasObserved' },
    },
  },
  persistence: {
    kind: 'sink',
    port: 3012,
    scales: true,
    database: 'writer',
    processors: {
      persistence: {
        inputs: ['normalized', DEAD_LETTER_STAGES.persistence.replay],
        outputs: [DEAD_LETTER_STAGES.persistence.letters],
        reads: ['schemasObserved'],
      },
    },
  },
  'metric-export': {
    kind: 'sink',
    port: 3013,
    processors: { 'metric-export': { inputs: ['stats'], outputs: [] } },
  },
  console: {
    kind: 'api',
    port: 3001,
    database: 'reader',
    isAudited: true,
    reads: ['received', 'unique', 'seen', ...LETTER_TOPICS],
  },
  replay: {
    kind: 'api',
    port: 3015,
    isAudited: true,
    reads: LETTER_TOPICS,
    processors: {
      replay: {
        inputs: ['replayCommands'],
        outputs: ['replayCommands', ...REPLAY_TOPICS],
        state: 'replayState',
      },
    },
  },
  simulator: { kind: 'generator', port: 3014 },
} as const satisfies Record<string, ServiceFacts>

export type ServiceName = keyof typeof SERVICES
export const SERVICE_NAMES = Object.keys(SERVICES) as readonly ServiceName[]

export const serviceFacts = (name: ServiceName): ServiceFacts => SERVICES[name]

const namesWhere = (condition: (facts: ServiceFacts) => boolean): readonly ServiceName[] =>
  SERVICE_NAMES.filter((name) => condition(serviceFacts(name)))

/** The services that carry an event from its webhook to the stores, in the order in which it passes them. */
export const EVENT_SERVICES = namesWhere(({ kind }) => ['intake', 'processor', 'sink'].includes(kind))
export const PROCESSING_SERVICES = namesWhere(({ processors }) => processors !== undefined)
export const SCALED_SERVICES = namesWhere(({ scales = false }) => scales)

type ProcessorsOf<Facts> = Facts extends { readonly processors: infer Processors } ? keyof Processors : never
export type ProcessorName = ProcessorsOf<(typeof SERVICES)[ServiceName]>
/** What each processor reads and writes. */
export const PROCESSORS: Readonly<Record<ProcessorName, ProcessorTopics>> = Object.assign(
  {},
  ...SERVICE_NAMES.map((name) => serviceFacts(name).processors),
) as Record<ProcessorName, ProcessorTopics>
export const PROCESSOR_NAMES = Object.keys(PROCESSORS) as readonly ProcessorName[]

/** The topics that a service reads and those that it writes; a topic may be among both. */
export const serviceTopics = (
  name: ServiceName,
): { readonly reads: readonly TopicRole[]; readonly writes: readonly TopicRole[] } => {
  const { processors = {}, reads = [], writes = [], isAudited } = serviceFacts(name)
  const all = Object.values(processors)
  const both: readonly TopicRole[] = [
    ...all.flatMap(({ state }) => state ?? []),
    ...(all.length > 0 ? (['starts', 'settings'] as const) : []),
  ]
  const audit: readonly TopicRole[] = isAudited === true ? ['auditLog'] : []
  return {
    reads: [
      ...all.flatMap(({ inputs, reads: followed = [] }) => [...inputs, ...followed]),
      ...both,
      ...reads,
      ...audit,
    ],
    writes: [...all.flatMap(({ outputs }) => outputs), ...both, ...writes, ...audit],
  }
}

/** The prefix of the variables of a service: `METRIC_EXPORT`. */
export const settingPrefix = (name: ServiceName): string => name.toUpperCase().replaceAll('-', '_')

/** The variable that sets the port of the probes: with the API, or apart where there is none. */
export const portVariable = (name: ServiceName): string => {
  const hasApi = ['intake', 'api'].includes(serviceFacts(name).kind)
  return `${settingPrefix(name)}${hasApi ? '' : '_PROBE'}_PORT`
}
