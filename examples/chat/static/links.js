// Finds the web addresses in what people wrote. They become links by nodes, never by markup.

const ADDRESS = /https?:\/\/[^\s<>"“”«»]+/gi
const CLOSING = { ')': '(', ']': '[', '}': '{' }

// The texts and links that `text` consists of; put together they say exactly what it says.
export function linked(text) {
  const parts = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutPunctuation(found)
    const href = webAddress(address)
    if (!href) continue
    if (index > end) parts.push(text.slice(end, index))
    parts.push(link(address, href))
    end = index + address.length
  }
  if (end < text.length) parts.push(text.slice(end))
  return parts
}

function link(address, href) {
  const node = document.createElement('a')
  node.textContent = address
  node.href = href
  node.target = '_blank'
  node.rel = 'noopener noreferrer'
  return node
}

// Only http and https: whatever else an address can do is not for a stranger's text to decide.
function webAddress(address) {
  if (!URL.canParse(address)) return null
  const { protocol, href } = new URL(address)
  return protocol === 'http:' || protocol === 'https:' ? href : null
}

// The end of a sentence is not the address's, nor is a bracket that was opened before it.
function withoutPunctuation(address) {
  let end = address.length
  const count = (mark) => address.slice(0, end).split(mark).length - 1
  for (; end > 0; end--) {
    const last = address[end - 1]
    if (last in CLOSING ? count(last) <= count(CLOSING[last]) : !/[.,;:!?'’…*]/.test(last)) break
  }
  return address.slice(0, end)
}
