import type { Counter, Histogram, Metrics } from '@weir/runtime'
import type { HandshakeName } from '@weir/sources'
import type { AccessResult } from './intake/judge-head.ts'

/**
 * The results of requests by source. They are counted in plain numbers and passed to the registry when it is read,
 * because the registry's own counters look up their labels on each call, which is measurable at this rate.
 */
export class IntakeMetrics {
  readonly #requests: Counter<'source' | 'status'>
  readonly #checks: Counter<'source' | 'result' | 'secret'>
  readonly #fallbacks: Counter<'source'>
  readonly #handshakes: Counter<'source' | 'handshake' | 'outcome'>
  readonly #seconds: Histogram<'source'>
  readonly #sources = new Map<string, SourceMetrics>()

  constructor(metrics: Metrics) {
    this.#requests = metrics.counter(
      'weir_ingress_requests_total',
      'Webhook requests, by the status of the response.',
      ['source', 'status'],
    )
    this.#checks = metrics.counter(
      'weir_ingress_signatures_total',
      'Checks of signatures and tokens. `secret` is the index of the secret that matched.',
      ['source', 'result', 'secret'],
    )
    this.#fallbacks = metrics.counter(
      'weir_ingress_key_fallbacks_total',
      'Events whose dedup key lacked a part that an alternative or the hash of the body replaced.',
      ['source'],
    )
    this.#handshakes = metrics.counter(
      'weir_ingress_handshakes_total',
      'Handshake requests, by outcome: answered, refused, limited.',
      ['source', 'handshake', 'outcome'],
    )
    this.#seconds = metrics.histogram(
      'weir_ingress_request_seconds',
      'Time from the head of the request to the response.',
      ['source'],
    )
  }

  of(source: string): SourceMetrics {
    const existing = this.#sources.get(source)
    if (existing !== undefined) return existing
    const created = new SourceMetrics(this.#seconds.labels({ source }))
    this.#sources.set(source, created)
    return created
  }

  /** Called before the registry is read. */
  flush(): void {
    for (const [source, metrics] of this.#sources) {
      const { statuses, checks, handshakes, fallbacks } = metrics.take()
      for (const [status, count] of statuses) this.#requests.inc({ source, status }, count)
      for (const [check, count] of checks) {
        const [result = '', secret = ''] = check.split('/')
        this.#checks.inc({ source, result, secret }, count)
      }
      for (const [kind, count] of handshakes) {
        const [handshake = '', outcome = ''] = kind.split('/')
        this.#handshakes.inc({ source, handshake, outcome }, count)
      }
      if (fallbacks > 0) this.#fallbacks.inc({ source }, fallbacks)
    }
  }
}

interface Observer {
  observe(value: number): void
}

export class SourceMetrics {
  readonly #seconds: Observer
  #statuses = new Map<number, number>()
  #checks = new Map<string, number>()
  #handshakes = new Map<string, number>()
  #fallbacks = 0

  constructor(seconds: Observer) {
    this.#seconds = seconds
  }

  /** `startedAt`: undefined for a request that was refused before its source was found. */
  answered(status: number, startedAt?: number): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1)
    if (startedAt !== undefined) this.#seconds.observe((performance.now() - startedAt) / 1_000)
  }

  judged(result: AccessResult | { readonly kind: 'unavailable' }): void {
    const name = nameOf(result)
    this.#checks.set(name, (this.#checks.get(name) ?? 0) + 1)
  }

  shookHands(handshake: HandshakeName, outcome: 'answered' | 'refused' | 'limited'): void {
    const kind = `${handshake}/${outcome}`
    this.#handshakes.set(kind, (this.#handshakes.get(kind) ?? 0) + 1)
  }

  fellBack(): void {
    this.#fallbacks += 1
  }

  take() {
    const taken = {
      statuses: this.#statuses,
      checks: this.#checks,
      handshakes: this.#handshakes,
      fallbacks: this.#fallbacks,
    }
    this.#statuses = new Map()
    this.#checks = new Map()
    this.#handshakes = new Map()
    this.#fallbacks = 0
    return taken
  }
}

const VALID = ['valid/0', 'valid/1', 'valid/2', 'valid/3']

/** The result, and the index of the secret if there is one. */
const nameOf = (result: AccessResult | { readonly kind: 'unavailable' }): string => {
  switch (result.kind) {
    case 'valid':
      return VALID[result.secret] ?? `valid/${result.secret}`
    case 'invalid':
      return result.reason
    case 'token':
      return 'wrong_token'
    case 'query_token':
      return 'wrong_query_token'
    case 'certificate':
      return `certificate_${result.found}`
    case 'missing':
    case 'unsigned':
    case 'unavailable':
      return result.kind
  }
}
