import { request, type IncomingHttpHeaders } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { decodeReceivedWebhook, type ReceivedWebhook, type WireRecord } from '@weir/contracts'
import { LaneError, type LaneErrorKind, type Lanes } from '@weir/kafka'
import { createLogger, Metrics } from '@weir/service-kit'
import { loadConfig, readText } from './config.ts'
import { IntakeMetrics } from './intake-metrics.ts'
import { loadSources } from './load-sources.ts'
import { ArrivingBytes } from './read-body.ts'
import { Receiver } from './receiver.ts'
import { buildServer } from './server.ts'
import { Shadow } from './shadow.ts'
import { SourceTable } from './source-table.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Call {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
  /** The loopback address that the request comes from. */
  readonly from?: string
}

/** Ingress with its real HTTP server on a free port, and lanes that keep what they are given. */
export class TestIngress {
  readonly written: WireRecord[] = []
  /** How the lanes fail; undefined: they do not. */
  failing: LaneErrorKind | undefined
  /** Records wait until this resolves. */
  held: Promise<void> | undefined
  isClosing = false
  readonly table: SourceTable
  readonly metrics = new Metrics('test')
  readonly #app: ReturnType<typeof buildServer>

  constructor(env: Readonly<Record<string, string>>) {
    const config = loadConfig({ WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'none:1', ...env })
    const logger = createLogger('test', 'silent')
    const intakeMetrics = new IntakeMetrics(this.metrics)
    this.table = new SourceTable(config, intakeMetrics)
    this.table.replace(loadSources(config, readText).accesses)
    const receiver = new Receiver({
      ...{ config, logger, table: this.table, arriving: new ArrivingBytes(config.arrivingBytesMax) },
      shadow: new Shadow(logger, this.metrics),
      lanes: () => this.#lanes,
      isClosing: () => this.isClosing,
    })
    this.#app = buildServer({
      ...{ config, receiver, isClosing: () => this.isClosing },
      probes: {
        readiness: () => Promise.resolve([]),
        metrics: async () => {
          intakeMetrics.flush()
          const { registry } = this.metrics
          return { contentType: registry.contentType, text: await registry.metrics() }
        },
      },
    })
  }

  get port(): number {
    return (this.#app.server.address() as AddressInfo).port
  }

  async listen(): Promise<void> {
    await this.#app.listen({ host: '127.0.0.1', port: 0 })
  }

  async close(): Promise<void> {
    this.#app.server.closeAllConnections()
    await this.#app.close()
  }

  forget(): void {
    this.written.length = 0
    this.failing = undefined
    this.held = undefined
    this.isClosing = false
  }

  get last(): ReceivedWebhook {
    return decodeReceivedWebhook(this.written.at(-1)!)
  }

  call({ method = 'POST', path, headers = {}, body = '', from = '127.0.0.1' }: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { port: this.port, host: '127.0.0.1', localAddress: from, method, path, agent: false }
      const sent = request({ ...options, headers: headers as Record<string, string> }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: text }),
        )
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** Sends bytes as they are and resolves to all that comes back before the server closes. */
  raw(bytes: string | Buffer): Promise<string> {
    return new Promise((resolve) => {
      let text = ''
      const socket = connect(this.port, '127.0.0.1', () => socket.write(bytes))
      socket.on('data', (chunk) => (text += chunk.toString('latin1')))
      socket.on('error', () => undefined).on('close', () => resolve(text))
    })
  }

  async metricsText(): Promise<string> {
    return (await this.call({ method: 'GET', path: '/metrics' })).body
  }

  readonly #lanes: Lanes = {
    partitions: 4,
    queued: { records: 0, bytes: 0 },
    healthy: true,
    fault: undefined,
    send: async (_partition, record) => {
      if (this.failing !== undefined) throw new LaneError(this.failing, 'planted')
      await this.held
      this.written.push(record)
    },
    sendAll: async (records) => {
      if (this.failing !== undefined) throw new LaneError(this.failing, 'planted')
      await this.held
      this.written.push(...records.map(({ record }) => record))
    },
    close: () => Promise.resolve(),
  }
}
