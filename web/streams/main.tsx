import '../no-eval.ts'
import { render } from 'preact'
import { Streams } from './streams.tsx'
import '../base.css'
import './streams.css'

const app = document.getElementById('app')
if (app !== null) render(<Streams />, app)
