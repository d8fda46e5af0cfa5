import { setTimeout as sleep } from 'node:timers/promises'
import { HEADER, topicNames } from '@weir/contracts'
import { openLanes, openTopicTail, partitionOf, type KafkaSettings, type TopicTail } from '@weir/kafka'
import { defineBench } from './bench.ts'
import { startDedupProcess } from './rig/dedup-process.ts'
import { createTopics, deployment, quiet, webhook } from './rig/traffic.ts'

const PARTITIONS = 4
const BODY_BYTES = 600
const TICK_MS = 5

export const bench = defineBench({
  about:
    "What dedup adds: the time from the brokers' acknowledgement of a webhook until a read_committed consumer of the unique topic receives it, first at a rate and then almost idle.",
  options: {
    rate: { about: 'events per second', default: 1_000 },
    'idle-rate': { about: 'events per second when almost idle', default: 10 },
    secs: { about: 'seconds at each rate', default: 30 },
    'warm-up-secs': {
      about: 'seconds of load before, because a new broker compiles for about a minute',
      default: 60,
    },
  },
  run: async (values, rig) => {
    const secs = values.secs
    const settings = deployment(await rig.kafka(), `bench-${process.pid}.`, PARTITIONS)
    await createTopics(settings)
    const dedup = await startDedupProcess({ settings, folder: rig.folder })
    const closers = [() => dedup.stop()]
    try {
      await dedup.until(() => dedup.isReady(), 50)
      const watch = await watchUnique(settings)
      closers.unshift(() => watch.close())
      const sender = await openSender(settings, watch)
      closers.unshift(() => sender.close())
      const measure = async (rate: number) => {
        rig.progress(`${rate} events/s for ${secs} s`)
        const cpuS = dedup.usage().cpuS
        const seconds = await sender.send(rate, secs)
        const cpu = (dedup.usage().cpuS - cpuS) / seconds
        const sorted = (await watch.settle()).sort((a, b) => a - b)
        const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
        return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)!, rate: sorted.length / seconds, cpu }
      }
      rig.progress(`Warming up for ${values['warm-up-secs']} s`)
      await sender.send(values.rate, values['warm-up-secs'])
      await watch.settle()
      const loaded = await measure(values.rate)
      const idle = await measure(values['idle-rate'])
      return {
        p50_ms: loaded.p50,
        p99_ms: loaded.p99,
        rate: loaded.rate,
        max_ms: loaded.max,
        cpu_cores: loaded.cpu,
        idle_p50_ms: idle.p50,
        idle_p99_ms: idle.p99,
        idle_rate: idle.rate,
        idle_cpu_cores: idle.cpu,
      }
    } finally {
      for (const close of closers) await close()
    }
  },
})

interface Watch {
  /** Notes when an event was acknowledged. */
  acknowledged(dedupKey: string, at: number): void
  /** Resolves when every event has come: the latencies since the last call, ms. */
  settle(): Promise<number[]>
  close(): Promise<void>
}

const watchUnique = async (settings: KafkaSettings): Promise<Watch> => {
  const acknowledged = new Map<string, number>()
  /** It may be here before its acknowledgement. */
  const arrived = new Map<string, number>()
  let latencies: number[] = []
  const pair = (key: string): void => {
    const from = acknowledged.get(key)
    const to = arrived.get(key)
    if (from === undefined || to === undefined) return
    latencies.push(Math.max(0, to - from))
    acknowledged.delete(key)
    arrived.delete(key)
  }
  const tail: TopicTail = await openTopicTail({
    settings,
    logger: quiet,
    clientId: 'weir-bench',
    topics: [
      {
        topic: topicNames(settings.topicPrefix).unique,
        from: ({ end }) => end,
        onRecords: (records) => {
          const now = performance.now()
          for (const { headers } of records) {
            const key = headers[HEADER.dedupKey]!.toString()
            arrived.set(key, now)
            pair(key)
          }
        },
      },
    ],
  })
  return {
    acknowledged: (key, at) => {
      acknowledged.set(key, at)
      pair(key)
    },
    settle: async () => {
      const until = performance.now() + 30_000
      while (acknowledged.size > 0) {
        if (performance.now() > until) throw new Error(`${acknowledged.size} events did not come through`)
        await sleep(20)
      }
      const found = latencies
      latencies = []
      return found
    },
    close: () => tail.close(),
  }
}

interface Sender {
  /** Sends at an even pace; resolves with the seconds it took when all is acknowledged. */
  send(rate: number, secs: number): Promise<number>
  close(): Promise<void>
}

const openSender = async (settings: KafkaSettings, watch: Watch): Promise<Sender> => {
  const lanes = await openLanes({
    settings,
    logger: quiet,
    topic: topicNames(settings.topicPrefix).received,
    lingerMs: 0,
    deadlineMs: 30_000,
    batchRecordsMax: 1_000,
    batchBytesMax: 700_000,
    queueBytesMax: 64_000_000,
  })
  let n = 0
  const sendOne = async (): Promise<void> => {
    const record = webhook(n++, BODY_BYTES)
    await lanes.send(partitionOf(record.key, settings.topicPartitions), record)
    watch.acknowledged(record.headers[HEADER.dedupKey]!.toString(), performance.now())
  }
  return {
    send: async (rate, secs) => {
      const startedAt = performance.now()
      const sent: Promise<void>[] = []
      while (sent.length < rate * secs) {
        const due = Math.min(rate * secs, ((performance.now() - startedAt) / 1_000) * rate)
        while (sent.length < due) sent.push(sendOne())
        await sleep(TICK_MS)
      }
      await Promise.all(sent)
      return (performance.now() - startedAt) / 1_000
    },
    close: () => lanes.close(),
  }
}
