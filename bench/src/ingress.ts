import { fromEnvironment } from '@weir/local-stack'
import { topicNames } from '@weir/contracts'
import { CPU_PROFILE, defineBench, profileArgs, type BenchResult } from './bench.ts'
import { prepareRequests } from './ingress/requests.ts'
import { startTargets, type Target, type TargetName } from './ingress/targets.ts'
import { prepareLoad, type HttpLoad, type LoadResult } from './rig/http-load.ts'
import { createTopics, deployment } from './rig/traffic.ts'

const PARTITIONS = 4
const REQUESTS = 20_000
const WARM_UP_S = 4
const PACED = { perSec: 1_000, connections: 64, seconds: 12 }

interface Plan {
  readonly connections: readonly number[]
  readonly rounds: number
  readonly seconds: number
}

interface Sample extends LoadResult {
  readonly target: TargetName
  readonly connections: number
  readonly cpuS: number
}

export const bench = defineBench({
  about:
    "Requests per second of a bare node:http receiver without Kafka, of Weir's ingress, of a naive receiver, and of Redpanda Connect if RPCONNECT_BIN is set, each in turn. Figures without a number of connections belong to the first number.",
  options: {
    connections: { about: 'numbers of connections', default: '128,512' },
    rounds: { about: 'rounds of all targets', default: 3 },
    seconds: { about: 'seconds of load for each target and round', default: 5 },
    workers: { about: 'processes of ingress', default: 1 },
    only: { about: 'targets', default: 'bare,weir,before,naive,peer' },
    against: { about: 'folder of another checkout of Weir, which becomes the target `before`' },
    ...CPU_PROFILE,
  },
  run: async (values, rig) => {
    const plan: Plan = {
      connections: values.connections.split(',').map(Number),
      rounds: values.rounds,
      seconds: values.seconds,
    }
    const only = values.only.split(',')
    const settings = deployment(await rig.kafka(), `bench-${process.pid}.`, PARTITIONS)
    await createTopics(settings)
    const load = prepareLoad(prepareRequests(REQUESTS), rig.folder)
    const all = await startTargets({
      settings,
      topic: topicNames(settings.topicPrefix).received,
      folder: rig.folder,
      workers: values.workers,
      peer: fromEnvironment('RPCONNECT_BIN'),
      before: values.against,
      nodeArgs: profileArgs(values),
    })
    const targets = all.filter(({ name }) => only.includes(name))
    try {
      const samples = await measure(targets, load, plan, (text) => rig.progress(text))
      const weir = targets.find(({ name }) => name === 'weir')
      const peakMb = weir?.usage().rssPeakMb ?? null
      const paced = weir && (await load.pace(weir.port, PACED.perSec, PACED.connections, PACED.seconds))
      for (const sample of samples) refuseErrors(`of ${sample.target}`, sample)
      if (paced !== undefined) refuseErrors('of weir, paced,', paced)
      return {
        ...merge(plan.connections.map((count, i) => summary(samples, count, i === 0))),
        p50_ms_at_1000: paced?.p50Ms ?? null,
        p99_ms_at_1000: paced?.p99Ms ?? null,
        p999_ms_at_1000: paced?.p999Ms ?? null,
        rss_mb: peakMb,
        workers: values.workers,
        generator: load.saturating,
      }
    } finally {
      await Promise.all(all.map((target) => target.stop()))
    }
  },
})

const measure = async (
  targets: readonly Target[],
  load: HttpLoad,
  { connections, rounds, seconds }: Plan,
  progress: (text: string) => void,
): Promise<readonly Sample[]> => {
  for (const { port } of targets) await load.saturate(port, connections[0]!, WARM_UP_S)
  const samples: Sample[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const count of connections) {
      for (const target of targets) {
        const before = target.usage().cpuS
        const result = await load.saturate(target.port, count, seconds)
        const cpuS = target.usage().cpuS - before
        samples.push({ ...result, target: target.name, connections: count, cpuS: cpuS / seconds })
        progress(
          `${round}/${rounds} ${target.name} ${count} connections: ${Math.round(result.perSec)}/s, ` +
            `p99 ${result.p99Ms.toFixed(1)} ms, ${(cpuS / seconds).toFixed(2)} cores`,
        )
      }
    }
  }
  return samples
}

const refuseErrors = (what: string, { errors, firstError = '' }: LoadResult): void => {
  if (errors === 0) return
  throw new Error(`${errors} requests ${what} were refused or broke: the figures say nothing. ${firstError}`)
}

const cpuSPer10k = ({ cpuS, perSec }: Sample): number => (cpuS / perSec) * 10_000

const merge = (results: readonly BenchResult[]): BenchResult =>
  Object.fromEntries(results.flatMap((result) => Object.entries(result)))

/** The middle round of each target; null where there was none. */
const summary = (samples: readonly Sample[], connections: number, isFirst: boolean): BenchResult => {
  const middle = (name: TargetName): Sample | undefined => {
    const own = samples.filter((one) => one.target === name && one.connections === connections)
    return own.toSorted((a, b) => a.perSec - b.perSec)[own.length >> 1]
  }
  const rps = (name: TargetName) => middle(name)?.perSec ?? null
  const weir = middle('weir')
  const before = middle('before')
  const ratio = (name: TargetName) => {
    const other = middle(name)
    return weir && other ? weir.perSec / other.perSec : null
  }
  const result: BenchResult = {
    bare_rps: rps('bare'),
    weir_rps: rps('weir'),
    naive_rps: rps('naive'),
    peer_rps: rps('peer'),
    ratio_bare: ratio('bare'),
    ratio_naive: ratio('naive'),
    ratio_peer: ratio('peer'),
    p50_ms: weir?.p50Ms ?? null,
    p99_ms: weir?.p99Ms ?? null,
    p999_ms: weir?.p999Ms ?? null,
    cpu_s_per_10k: weir ? cpuSPer10k(weir) : null,
    ...(before && {
      before_rps: before.perSec,
      ratio_before: ratio('before'),
      before_cpu_s_per_10k: cpuSPer10k(before),
    }),
  }
  if (isFirst) return result
  return Object.fromEntries(Object.entries(result).map(([key, value]) => [`${key}_${connections}`, value]))
}
