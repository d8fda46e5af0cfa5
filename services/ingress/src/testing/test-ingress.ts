import type { IncomingHttpHeaders } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { decodeReceivedWebhook, type ReceivedWebhook, type WireRecord } from '@weir/contracts'
import { LaneError, type LaneErrorKind, type Lanes } from '@weir/kafka'
import { createLogger, Metrics, type Logger } from '@weir/runtime'
import { ArrivingBytes } from '../receive/arriving-bytes.ts'
import { loadConfig } from '../config.ts'
import { IntakeMetrics } from '../intake-metrics.ts'
import { loadSources } from '../sources/load-sources.ts'
import { Receiver } from '../receive/receiver.ts'
import { buildServer } from '../receive/server.ts'
import { Shadow } from '../sources/shadow.ts'
import { Strangers } from '../sources/strangers.ts'
import { SourceTable } from '../sources/source-table.ts'

export interface HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Call {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
  /** The address that the request comes from. */
  readonly from?: string
}

/** Ingress in Fastify on a free port, with lanes that keep what they receive. */
export class TestIngress {
  readonly written: WireRecord[] = []
  /** The error of the lanes. Undefined if they succeed. */
  failing: LaneErrorKind | undefined
  /** Records wait until this resolves. */
  held: Promise<void> | undefined
  isClosing = false
  readonly table: SourceTable
  readonly arriving: ArrivingBytes
  readonly metrics = new Metrics('test')
  readonly #app: ReturnType<typeof buildServer>

  constructor(env: Readonly<Record<string, string>>, given?: Logger) {
    const config = loadConfig({ WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'none:1', ...env })
    const logger = given ?? createLogger('test', 'silent')
    const intakeMetrics = new IntakeMetrics(this.metrics)
    this.arriving = new ArrivingBytes(config.arrivingBytesMax)
    this.table = new SourceTable(config, intakeMetrics, this.arriving)
    this.table.replace(loadSources(config).accesses)
    const receiver = new Receiver({
      config,
      logger,
      table: this.table,
      shadow: new Shadow(logger, this.metrics),
      strangers: new Strangers(logger, intakeMetrics.of('unknown'), this.table),
      lanes: () => this.#lanes,
    })
    this.#app = buildServer({
      config,
      receiver,
      isClosing: () => this.isClosing,
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

  /** Idle connections are closed, and others continue. */
  closeGently(): void {
    this.#app.server.close()
  }

  forget(): void {
    this.written.length = 0
    this.failing = undefined
    this.held = undefined
    this.isClosing = false
  }

  get all(): readonly ReceivedWebhook[] {
    return this.written.map(decodeReceivedWebhook)
  }

  get last(): ReceivedWebhook {
    return decodeReceivedWebhook(this.written.at(-1)!)
  }

  /** Without a socket. Use `raw` to test what HTTP itself may get wrong. */
  async call({
    method = 'POST',
    path,
    headers = {},
    body = '',
    from = '127.0.0.1',
  }: Call): Promise<HttpResponse> {
    const given = Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [...value],
    ])
    const { statusCode, ...rest } = await this.#app.inject({
      method: method as 'POST',
      url: path,
      payload: body,
      remoteAddress: from,
      headers: Object.fromEntries(given) as Record<string, string | string[]>,
    })
    return { status: statusCode, headers: rest.headers as IncomingHttpHeaders, body: rest.body }
  }

  /** Sends exact bytes and resolves to everything that the server sends before it closes. */
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
