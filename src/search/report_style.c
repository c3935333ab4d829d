/* report_style.c - the report's style and script, as text. Nothing is loaded from anywhere, no font, no image.
 *
 * The script only adds hovering and sorting; without it the page is complete. It holds no '<' and no '&', so that the
 * page stays well-formed.
 */
#include "search/report.h"

static const char *const style[] = {
    ":root{color-scheme:light "
    "dark;--page:#f6f6f3;--card:#fff;--ink:#1d2126;--soft:#5d6670;--line:#e2e3df;--grid:#ecedea;"
    "--dot:#3b6fb6;--front:#d9480f;--median:#3b6fb6;--target:#7a5ea8;--cross:#c92a2a;--band:#8884;--code:#"
    "f1f1ed;--p0:#12806a;--p1:#3b6fb6;--p2:#e8590c;--p3:#8f5fbf;--p4:#9aa0a6}\n",
    "@media(prefers-color-scheme:dark){:root{--page:#14171a;--card:#1c2024;--ink:#e7e9ea;--soft:#9aa4ad;--"
    "line:#2f353b;"
    "--grid:#282d33;--dot:#6ea8fe;--front:#ff922b;--median:#6ea8fe;--target:#b79ae0;--cross:#ff6b6b;--band:#"
    "8883;--code:#262b30;--p0:#38b295;--p1:#6ea8fe;--p2:#ff922b;--p3:#b98be0;--p4:#7b848c}}\n",
    "*{box-sizing:border-box}\n",
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,\"Segoe "
    "UI\",Roboto,"
    "\"Noto Sans\",\"DejaVu Sans\",sans-serif;-webkit-text-size-adjust:100%}\n",
    "main{max-width:1000px;margin:0 auto;padding:28px 20px 40px}\n",
    "h1{font-size:1.25rem;font-weight:600;margin:0 0 2px;overflow-wrap:anywhere}\n",
    "header p{margin:0 0 18px;color:var(--soft);font-size:.9rem}\n",
    "h2{font-size:1.05rem;font-weight:600;margin:0 0 10px}h3{font-size:.95rem;font-weight:600;margin:14px 0 6px}\n",
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px "
    "20px;margin:0 0 16px}\n",
    ".verdict{font-size:1.3rem;line-height:1.35;font-weight:600;margin:0 0 12px}\n",
    "p{margin:0 0 10px}section p:last-child{margin-bottom:0}\n",
    ".small,.keys{color:var(--soft);font-size:.88rem}\n",
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:14px 20px}\n",
    ".figure{display:flex;flex-direction:column}\n",
    ".figure .label,.figure .note{color:var(--soft);font-size:.82rem}\n",
    ".figure "
    ".value{white-space:nowrap;font-size:1.3rem;font-weight:600;line-height:1.25;font-variant-numeric:"
    "tabular-nums}\n",
    "svg.wide,svg.narrow{width:100%;height:auto;display:block;touch-action:pan-y}\n",
    "svg.narrow{display:none}\n",
    "@media(max-width:640px){svg.wide{display:none}svg.narrow{display:block}main{padding:18px 12px 28px}"
    "section{padding:14px 14px}.verdict{font-size:1.12rem}.figures{grid-template-columns:1fr 1fr}}\n",
    "svg text{fill:var(--soft);font-size:13px;font-family:inherit}\n",
    "svg .tick{font-variant-numeric:tabular-nums}svg .note{fill:var(--ink);font-size:12.5px}\n",
    "svg .halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}\n",
    ".grid{stroke:var(--grid)}.axis{stroke:var(--soft)}\n",
    ".dot{fill:var(--dot);stroke:var(--card);stroke-width:.8}.front{fill:var(--front);stroke:var(--card);"
    "stroke-width:1.5}\n",
    ".below{fill:var(--soft)}.cross{stroke:var(--cross);stroke-width:1.8;fill:none}\n",
    ".front-line{fill:none;stroke:var(--front);stroke-width:1.6;stroke-opacity:.55}\n",
    ".interval{stroke:var(--front);stroke-width:2.5;stroke-opacity:.6}\n",
    ".window{fill:var(--target);fill-opacity:.1}\n",
    ".target{stroke:var(--target);stroke-width:1.4;stroke-dasharray:5 4}\n",
    ".median{fill:none;stroke:var(--median);stroke-width:2.2;stroke-linejoin:round}.knot{fill:var(--median)}"
    "\n",
    ".chance{fill:var(--soft);stroke:var(--card);stroke-width:.8}.middle{stroke:var(--ink);stroke-width:2.5}.half{fill:var(--band)}\n",
    ".band{fill:var(--band);fill-opacity:.3}.mean{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:6 4}\n",
    "circle[data-t].on{stroke:var(--ink);stroke-width:2.5;fill-opacity:1}path[data-t].on{stroke:var(--ink)}"
    "\n",
    "tr.on td{background:var(--code)}\n",
    ".keys{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:8px}.keys "
    "span{display:inline-flex;align-items:center;gap:6px}\n",
    "svg.key{width:22px;height:12px;flex:none}svg.key .front{stroke:none}\n", ".scroll{overflow-x:auto}\n",
    "table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}\n",
    "th{font-weight:500;color:var(--soft);text-align:left;font-size:.85rem}\n",
    "th,td{padding:5px 14px 5px 0;vertical-align:top}thead th{border-bottom:1px solid "
    "var(--line);white-space:nowrap}\n",
    ".numbers th,.numbers td{text-align:right;white-space:nowrap}\n",
    ".numbers th:first-child,.numbers td:first-child{width:3.5em}\n",
    ".numbers tr.arch td,.numbers "
    ".arch{text-align:left;white-space:normal;padding-top:0;padding-bottom:12px}\n",
    ".numbers.all td{padding-top:5px;padding-bottom:5px;border-bottom:1px solid var(--grid)}\n",
    ".numbers.all .arch{min-width:22em;padding-left:14px}.numbers.all td:nth-child(2),.numbers.all "
    "th:nth-child(2){text-align:left}\n",
    "code,pre{font:.82rem/1.5 ui-monospace,\"SF Mono\",Menlo,Consolas,\"DejaVu Sans "
    "Mono\",monospace;background:var(--code);border-radius:4px}\n",
    "code{padding:1px 5px;display:inline-block;margin:1px 0;overflow-wrap:anywhere;white-space:normal}\n",
    "pre{padding:10px 12px;margin:0 0 12px;white-space:pre-wrap;overflow-wrap:anywhere}\n",
    ".conditions th{white-space:nowrap;padding-right:22px;width:1%}.conditions td{overflow-wrap:anywhere}\n",
    "@media(max-width:640px){.conditions th,.conditions td{display:block;padding:0}.conditions "
    "td{padding-bottom:9px}.conditions th{width:auto}}\n",
    "@media(max-width:640px){code{font-size:.74rem}.best th:nth-child(n+5),.best "
    "td:nth-child(n+5){display:none}.best th,.best "
    "td{padding-right:10px}"
    ".best th:nth-child(4),.best td:nth-child(4){padding-right:0}}\n",
    /* networks, layer by layer */
    ".swatch,.policy p i{display:inline-block;width:12px;height:12px;border-radius:3px;flex:none}\n",
    ".p0{background:var(--p0)}.p1{background:var(--p1)}.p2{background:var(--p2)}.p3{background:var(--p3)}"
    ".p4{background:var(--p4)}\n",
    ".nets{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:22px 34px;"
    "margin:12px 0 14px}\n",
    "figure{margin:0;min-width:0}figcaption{font-size:.92rem;margin-bottom:6px}figcaption "
    "span{color:var(--soft);font-size:.85rem}\n",
    ".layers{table-layout:fixed;font-size:.84rem;line-height:1.3}.layers th,.layers td{padding:3px 8px 3px "
    "0}.layers tbody "
    "th{color:var(--soft);text-align:left}\n",
    ".layers tr.new td,.layers tr.new th{border-top:1px solid var(--grid)}.layers "
    ".map{white-space:nowrap;color:var(--soft)}\n",
    ".layers th:first-child{width:3.4em}.layers th:nth-child(2){width:8.6em}.layers "
    "th:nth-child(3){width:7.2em}.layers th:nth-child(5){width:4.4em}.layers .bar{padding-top:6px}.layers "
    ".bar "
    "div{display:flex;height:12px}.layers .bar "
    "i{height:12px;min-width:1px}.layers .bar i:last-child{border-radius:0 3px 3px 0}\n",
    ".layers td:last-child,.layers thead th:last-child{text-align:right;padding-right:0}.layers "
    ".most{font-weight:700}\n",
    "@media(max-width:640px){.layers{font-size:.78rem}.layers th,.layers td{padding-right:6px}.layers "
    "th:nth-child(3){width:6.4em}}@media(max-width:480px){.layers th:nth-child(3),.layers "
    "td:nth-child(3){display:none}}\n",
    ".layers .what em{font-style:normal;white-space:nowrap}.layers .what b{font-weight:600}.layers .what "
    "span{display:inline-block;background:var(--code);border-radius:3px;padding:0 4px;font-size:.74rem;"
    "white-space:nowrap}\n",
    /* the policy */
    ".policy h3{font-size:.88rem;font-weight:600;margin:14px 0 4px}.policy "
    "h4{font-size:.8rem;font-weight:500;color:var(--soft);margin:0 0 3px}\n",
    ".policy .row{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:10px "
    "16px}@media(max-width:640px){.policy "
    ".row{grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:10px 12px}}\n",
    ".policy svg{display:block;width:100%;height:52px;border-radius:4px}.policy svg "
    "path{stroke:var(--card);stroke-width:1;vector-effect:non-scaling-stroke}\n",
    ".policy .row p{margin:4px 0 0;font-size:.76rem;line-height:1.5;font-variant-numeric:tabular-nums}"
    ".policy .row p span{white-space:nowrap;margin-right:7px}.policy .row p "
    "b{font-weight:400;color:var(--soft);margin-left:4px}\n",
    ".policy .row p .best,.policy .row p .best b{font-weight:700;color:var(--ink)}.policy p "
    "i{width:9px;height:9px;border-radius:2px;margin-right:4px}.policy .after{margin-top:14px}\n",
    "details .nets{margin-top:4px}.networks details{margin-bottom:12px}\n",
    ".o0{fill:#c6dbef;background:#c6dbef}.o1{fill:#9ecae1;background:#9ecae1}.o2{fill:#6baed6;background:"
    "#6baed6}.o3{fill:#4292c6;background:#4292c6}.o4{fill:#2171b5;background:#2171b5}.o5{fill:#0b4a8f;"
    "background:#0b4a8f}\n",
    ".n0{fill:#4c78a8;background:#4c78a8}.n1{fill:#f2a541;background:#f2a541}.n2{fill:#54a382;background:"
    "#54a382}.n3{fill:#b279a2;background:#b279a2}.n4{fill:#d8694f;background:#d8694f}.n5{fill:#9d8f83;"
    "background:#9d8f83}\n",
    /* failures; the table that sorts */
    ".failures td:last-child{width:100%}.failures td:nth-child(2){text-align:right}.failures "
    "summary{font-weight:500;font-size:.88rem;color:var(--soft)}.failures "
    "ul{margin:0 0 8px;padding-left:20px;font-size:.88rem;overflow-wrap:anywhere}\n",
    "th button{all:unset;cursor:pointer;font:inherit;color:inherit}th button:hover{color:var(--ink)}th "
    "button:focus-visible{outline:2px solid var(--dot);outline-offset:2px;border-radius:2px}\n",
    "th[aria-sort]{color:var(--ink)}th[aria-sort=ascending] button::after{content:\" "
    "\\25B2\"}th[aria-sort=descending] button::after{content:\" \\25BC\"}\n",
    "a{color:var(--dot)}\n",
    "summary{cursor:pointer;font-weight:600}details[open] summary{margin-bottom:10px}\n",
    "footer{color:var(--soft);font-size:.85rem}\n",
    "#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--card);padding:8px "
    "11px;border-radius:7px;"
    "font-size:.82rem;line-height:1.45;white-space:pre;max-width:94vw;visibility:hidden;box-shadow:0 3px "
    "14px #0005}\n",
    "#tip.shown{visibility:visible}\n", "@media print{body{background:#fff}section{break-inside:avoid}}\n",
    NULL};

/* The nearest point within 26 pixels of the pointer is shown; all its marks and rows light up. */
static const char *const script[] = {
    "(function(){'use strict';\n", "var tip=document.getElementById('tip'),lit=[],now=null;\n",
    "function clear(){lit.forEach(function(e){e.classList.remove('on')});lit=[];now=null;tip.className=''}\n",
    "function place(x,y){var "
    "w=tip.offsetWidth,h=tip.offsetHeight,W=window.innerWidth,H=window.innerHeight;\n",
    "var left=x+14;if(left+w>W-6)left=x-14-w;if(6>left)left=Math.max(6,W-6-w);\n",
    "var top=y+16;if(top+h>H-6)top=Math.max(6,y-16-h);\n",
    "tip.style.left=left+'px';tip.style.top=top+'px'}\n",
    "function show(t,x,y){var row=document.getElementById('t'+t);if(!row){clear();return}\n",
    "if(t!==now){clear();now=t;tip.textContent=row.getAttribute('data-tip');\n",
    "lit=Array.prototype.slice.call(document.querySelectorAll('[data-t=\"'+t+'\"]'));\n",
    "lit.forEach(function(e){e.classList.add('on')});tip.className='shown'}\n", "place(x,y)}\n",
    "function nearest(svg,x,y){var best=null,far=26*26;\n",
    "svg.querySelectorAll('[data-t]').forEach(function(e){var r=e.getBoundingClientRect();\n",
    "var dx=(r.left+r.right)/2-x,dy=(r.top+r.bottom)/2-y,d=dx*dx+dy*dy;if(far>d){far=d;best=e}});return "
    "best}\n",
    "document.querySelectorAll('svg.wide,svg.narrow').forEach(function(svg){\n",
    "function move(e){var "
    "p=nearest(svg,e.clientX,e.clientY);if(p)show(p.getAttribute('data-t'),e.clientX,e.clientY);else "
    "clear()}\n",
    "svg.addEventListener('pointermove',move);svg.addEventListener('pointerdown',move);\n",
    "svg.addEventListener('pointerleave',clear)});\n",
    "window.addEventListener('scroll',clear,{passive:true});\n",
    /* Tables that sort: a head becomes a button; what has no value stays last either way, equals keep their order. */
    "function value(row,i){var c=row.cells[i],v=c.getAttribute('data-v');\n",
    "return v!==null?Number(v):c.textContent==='-'?null:c.textContent}\n",
    "function compare(a,b){if(a===null||b===null)return 0;if(typeof a==='number')return a-b;return "
    "a>b?1:b>a?-1:0}\n",
    "function sort(table,th,i){var body=table.tBodies[0],was=th.getAttribute('aria-sort');\n",
    "var down=was?was==='ascending':th.hasAttribute('data-down');\n",
    "var rows=Array.prototype.map.call(body.rows,function(r){return{row:r,v:value(r,i)}});\n",
    "rows.sort(function(a,b){var missing=(a.v===null?1:0)-(b.v===null?1:0);\n",
    "return missing||(down?compare(b.v,a.v):compare(a.v,b.v))});\n",
    "rows.forEach(function(r){body.appendChild(r.row)});\n",
    "Array.prototype.forEach.call(th.parentNode.cells,function(c){c.removeAttribute('aria-sort')});\n",
    "th.setAttribute('aria-sort',down?'descending':'ascending')}\n",
    "document.querySelectorAll('table.sort').forEach(function(table){\n",
    "Array.prototype.forEach.call(table.tHead.rows[0].cells,function(th,i){\n",
    "var button=document.createElement('button');button.type='button';button.textContent=th.textContent;\n",
    "th.textContent='';th.appendChild(button);\n",
    "button.addEventListener('click',function(){sort(table,th,i)})})});\n", "})();\n", NULL};

static void append_all(mnas_str *out, const char *const *lines) {
    while (*lines) mnas_str_append(out, *lines++);
}

void mnas_report_style(mnas_str *out) {
    append_all(out, style);
}
void mnas_report_script(mnas_str *out) {
    append_all(out, script);
}
