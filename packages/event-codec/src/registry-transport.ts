import type registryClient from '@kafkajs/confluent-schema-registry'
import type { RegistryAnswer } from './registry-http.ts'

type LibraryOptions = ConstructorParameters<typeof registryClient.SchemaRegistry>[0]
type Middleware = NonNullable<LibraryOptions['middlewares']>[number]
type Response = Awaited<ReturnType<NonNullable<ReturnType<Middleware>['response']>>>

/** `body` is JSON. Rejects with a `RegistryError` unless a complete response arrives in time. */
export type AskRegistry = (method: string, path: string, body?: string) => Promise<RegistryAnswer>

/** Error codes for a missing subject, version or schema. 40408: the subject has no compatibility level. */
const MISSING = new Set<unknown>([40_401, 40_402, 40_403, 40_408])

/** Whether a 404 is from the registry. A 404 of another server, such as a proxy, says nothing about schemas. */
export const isMissing = ({ status, body }: RegistryAnswer): boolean =>
  status === 404 && MISSING.has((body as { readonly error_code?: unknown } | undefined)?.error_code)

/** The registry, or another server at its URL, sent an unexpected response. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError'
  readonly answer: RegistryAnswer

  constructor(answer: RegistryAnswer) {
    super(`the schema registry answers ${answer.status}`)
    this.answer = answer
  }

  /** The library reads this status; it takes 404 for a missing schema. */
  get status(): number | undefined {
    return isMissing(this.answer) ? 404 : undefined
  }
}

type Body = Readonly<Record<string, unknown>>

const hasId = ({ id }: Body): boolean => Number.isSafeInteger(id)
const hasSchema = ({ schema }: Body): boolean => typeof schema === 'string'
const hasLevel = ({ compatibilityLevel }: Body): boolean => typeof compatibilityLevel === 'string'

/**
 * The response fields that the library reads, by its call names. Another server at the URL may also respond with 200.
 */
const CHECKS: Readonly<Record<string, (body: Body) => boolean>> = {
  'Schema.find': hasSchema,
  'Subject.version': hasSchema,
  'Subject.register': hasId,
  'Subject.registered': hasId,
  'Subject.config': hasLevel,
  'Subject.updateConfig': () => true,
}

/**
 * Sends the requests of the library. It is the outermost middleware and calls no other, which bypasses the HTTP client
 * of the library. That client has no timeout and no size limit for a whole response, hangs if the connection ends
 * within a response, and drops the `error_code`.
 */
export const registryTransport =
  (ask: AskRegistry): Middleware =>
  ({ resourceName, resourceMethod }) => ({
    response: async (_next, _renew, request) => {
      const answer = await ask(
        request.method().toUpperCase(),
        request.path(),
        request.body() as string | undefined,
      )
      const isExpected = CHECKS[`${resourceName}.${resourceMethod}`]!
      if (answer.status !== 200 || !isExpected((answer.body ?? {}) as Body)) {
        throw new UnexpectedAnswerError(answer)
      }
      // The library calls no other method of a response.
      return { data: () => answer.body } as unknown as Response
    },
  })
