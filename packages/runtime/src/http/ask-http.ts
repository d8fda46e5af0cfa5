export interface HttpQuestion {
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | URLSearchParams
  /** For the whole answer. */
  readonly timeoutMs: number
  /** Default: a megabyte. */
  readonly bytesMax?: number
  /** Gives up earlier. */
  readonly signal?: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** There was no whole answer in time, or a larger one than may be held. The message says which, and neither URL nor secrets. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

const BYTES_MAX = 1_048_576

/**
 * Asks another server, in bounded time and memory. A redirect is an answer and not followed, because it would take
 * credentials to another place. Rejects with a `NoAnswerError`.
 */
export const askHttp = async (url: string, question: HttpQuestion): Promise<HttpAnswer> => {
  const { timeoutMs, bytesMax = BYTES_MAX, signal, ...init } = question
  const late = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: signal === undefined ? late : AbortSignal.any([late, signal]),
    })
    return { status: response.status, headers: response.headers, text: await textOf(response, bytesMax) }
  } catch (error) {
    if (error instanceof NoAnswerError) throw error
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string }
    const why = late.aborted
      ? `no answer within ${timeoutMs} ms`
      : `no answer (${code ?? (error as Error).name})`
    throw new NoAnswerError(why, { cause: error })
  }
}

const textOf = async ({ body }: Response, bytesMax: number): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new NoAnswerError(`the answer has more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
