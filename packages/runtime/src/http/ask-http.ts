export interface HttpQuestion {
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | URLSearchParams
  /** Limit for the whole response, ms. */
  readonly timeoutMs: number
  /** Default: one megabyte. */
  readonly bytesMax?: number
  /** Aborts the request earlier. */
  readonly signal?: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/**
 * No complete response arrived in time, or it was too large. The message says which, and contains neither the URL nor
 * secrets.
 */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

const BYTES_MAX = 1_048_576

/**
 * Sends a request to another server, in bounded time and memory. Does not follow redirects, because they would carry
 * credentials to another host. Rejects with a `NoAnswerError`.
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
