import { runService } from '@weir/runtime'
import { webConsole } from './index.ts'

await runService(webConsole)
