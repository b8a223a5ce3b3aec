<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko_KR" sourcelanguage="en">
    <context>
        <name>charts</name>
        <message>
            <source>nothing clear</source>
            <translation>뚜렷하지 않음</translation>
        </message>
        <message>
            <source>Feelings in your words: above all {one} and {two}</source>
            <translation>글에서 읽힌 감정: 무엇보다 {one}, {two}</translation>
        </message>
        <message>
            <source>Signs, {n} days at a time</source>
            <translation>{n}일씩 본 기미</translation>
        </message>
        <message>
            <source>Signs, {n} days at a time: most around {day}</source>
            <translation>{n}일씩 본 기미: {day} 무렵에 가장 많음</translation>
        </message>
        <message>
            <source>{name}: at most {hits} of {n} days, in the days to {day}</source>
            <translation>{name}: {day}까지의 기간에 {n}일 중 {hits}일로 가장 많음</translation>
        </message>
        <message>
            <source>Share of days with some or many signs over {n} days. {parts}. Not a diagnosis.</source>
            <translation>{n}일 동안 기미가 조금 또는 많이 보인 날의 비율. {parts}. 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>No mood noted in these days.</source>
            <translation>이 기간에는 적어 둔 기분이 없습니다.</translation>
        </message>
        <message>
            <source>thick line: average of {n} days</source>
            <translation>굵은 선: {n}일 평균</translation>
        </message>
        <message>
            <source>No feelings read in these days.</source>
            <translation>이 기간에는 읽은 감정이 없습니다.</translation>
        </message>
        <message>
            <source>other</source>
            <translation>그 밖</translation>
        </message>
        <message>
            <source>Nothing was read in these days.</source>
            <translation>이 기간에는 읽은 글이 없습니다.</translation>
        </message>
        <message>
            <source>tinted: estimate</source>
            <translation>옅은 색: 추정</translation>
        </message>
        <message>
            <source>hatched: estimate</source>
            <translation>빗금: 추정</translation>
        </message>
        <message>
            <source>your own word</source>
            <translation>직접 정한 값</translation>
        </message>
        <message>
            <source>faint</source>
            <translation>약함</translation>
        </message>
        <message>
            <source>strong</source>
            <translation>강함</translation>
        </message>
        <message>
            <source>Two days of entries are needed before this map begins.</source>
            <translation>이 그림은 이틀 이상 글이 있어야 시작됩니다.</translation>
        </message>
        <message>
            <source>no day</source>
            <translation>없음</translation>
        </message>
        <message>
            <source>every day</source>
            <translation>매일</translation>
        </message>
        <message>
            <source>dotted: no data</source>
            <translation>점: 자료 없음</translation>
        </message>
        <message>
            <source>entries</source>
            <translation>글</translation>
        </message>
        <message>
            <source>most: {n}</source>
            <translation>최대 {n}</translation>
        </message>
        <message>
            <source>{n} day</source>
            <translation>{n}일</translation>
        </message>
        <message>
            <source>{n} days</source>
            <translation>{n}일</translation>
        </message>
        <message>
            <source>{n} entry</source>
            <translation>글 {n}편</translation>
        </message>
        <message>
            <source>{n} entries</source>
            <translation>글 {n}편</translation>
        </message>
        <message>
            <source>{start} to {end}</source>
            <translation>{start}부터 {end}까지</translation>
        </message>
        <message>
            <source>Your mood</source>
            <translation>나의 기분</translation>
        </message>
        <message>
            <source>Your mood, as you noted it</source>
            <translation>직접 적은 나의 기분</translation>
        </message>
        <message>
            <source>Your mood: heaviest around {day}, lighter since</source>
            <translation>나의 기분: {day} 무렵 가장 무거웠고 그 뒤로 가벼워짐</translation>
        </message>
        <message>
            <source>Your mood: lighter in the second half</source>
            <translation>나의 기분: 후반에 더 가벼움</translation>
        </message>
        <message>
            <source>Your mood: heavier in the second half</source>
            <translation>나의 기분: 후반에 더 무거움</translation>
        </message>
        <message>
            <source>Your mood: much the same in both halves</source>
            <translation>나의 기분: 전반과 후반이 비슷함</translation>
        </message>
        <message>
            <source>Own mood from {start} to {end}: noted on {n} of {days} days, {word} on average ({mean:.1f} of 5). Lowest {low:.1f} on {low_day}, highest {high:.1f} on {high_day}. Days without a note are gaps.</source>
            <translation>{start}부터 {end}까지 직접 적은 기분: {days}일 가운데 {n}일, 평균 {word}(5점에 {mean:.1f}). 가장 낮은 날 {low_day} {low:.1f}, 가장 높은 날 {high_day} {high:.1f}. 적지 않은 날은 비워 둡니다.</translation>
        </message>
        <message>
            <source>from</source>
            <translation>시작</translation>
        </message>
        <message>
            <source>to</source>
            <translation>끝</translation>
        </message>
        <message>
            <source>own mood (1 to 5)</source>
            <translation>직접 적은 기분(1~5)</translation>
        </message>
        <message>
            <source>lowest</source>
            <translation>최저</translation>
        </message>
        <message>
            <source>highest</source>
            <translation>최고</translation>
        </message>
        <message>
            <source>entries with a mood</source>
            <translation>기분을 적은 글</translation>
        </message>
        <message>
            <source>average of {n} days</source>
            <translation>{n}일 평균</translation>
        </message>
        <message>
            <source>Feelings in your words: {one}</source>
            <translation>글 속의 감정: {one}</translation>
        </message>
        <message>
            <source>Feelings in your words</source>
            <translation>글 속의 감정</translation>
        </message>
        <message>
            <source>Estimated from the words of {n} entries on {days} days, with your corrections. Mean shares: {parts}. Days without an entry are gaps.</source>
            <translation>{days}일 동안의 글 {n}편에서 추정하고 직접 고친 것을 반영했습니다. 평균 비율: {parts}. 글이 없는 날은 비워 둡니다.</translation>
        </message>
        <message>
            <source>entries read</source>
            <translation>읽은 글</translation>
        </message>
        <message>
            <source>Which feelings, when</source>
            <translation>어떤 감정이 언제</translation>
        </message>
        <message>
            <source>{name} strongest on {day}</source>
            <translation>{name}: {day}에 가장 강함</translation>
        </message>
        <message>
            <source>How strongly each feeling was read, day by day, with your corrections: {parts}.</source>
            <translation>날마다 각 감정을 얼마나 강하게 읽었는지, 직접 고친 것을 반영해 보여 줍니다: {parts}.</translation>
        </message>
        <message>
            <source>Stress and low-mood signs in your words</source>
            <translation>글 속의 스트레스와 가라앉음의 기미</translation>
        </message>
        <message>
            <source>Stress and low-mood signs: many on {many} of {read} days read</source>
            <translation>스트레스와 가라앉음의 기미: 읽은 {read}일 가운데 {many}일에 많음</translation>
        </message>
        <message>
            <source>You set a level yourself {n} times; it is shown apart.</source>
            <translation>직접 정한 값이 {n}번 있으며 따로 보여 줍니다.</translation>
        </message>
        <message>
            <source>Estimated from words; may be wrong; not a diagnosis.</source>
            <translation>글의 표현으로 추정한 것이며 틀릴 수 있고 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>{name}: own word</source>
            <translation>{name}: 직접 정한 값</translation>
        </message>
        <message>
            <source>{name}: share of days</source>
            <translation>{name}: 날의 비율</translation>
        </message>
        <message>
            <source>{name}: days read</source>
            <translation>{name}: 읽은 날</translation>
        </message>
    </context>
    <context>
        <name>summary</name>
        <message>
            <source>nothing clear {share}</source>
            <translation>뚜렷하지 않음 {share}</translation>
        </message>
        <message>
            <source>Share of days with some or many signs, looking back {n} days</source>
            <translation>지난 {n}일 동안 기미가 조금 또는 많이 보인 날의 비율</translation>
        </message>
        <message>
            <source>Entries quoted: {quoted} of {entries}, with what I ticked.</source>
            <translation>글 {entries}편 가운데 {quoted}편에서 내가 고른 것만 옮겼습니다.</translation>
        </message>
        <message>
            <source>My own ratings are left out.</source>
            <translation>내가 적은 점수는 뺐습니다.</translation>
        </message>
        <message>
            <source>There is no section on safety; that says nothing either way.</source>
            <translation>안전에 관한 부분은 없으며, 그것은 어느 쪽도 뜻하지 않습니다.</translation>
        </message>
        <message>
            <source>Names are blacked out in one place.</source>
            <translation>이름을 한 곳에서 가렸습니다.</translation>
        </message>
        <message>
            <source>Names are blacked out in {n} places.</source>
            <translation>이름을 {n}곳에서 가렸습니다.</translation>
        </message>
        <message>
            <source>Estimates made by a model are on the last page, marked as such.</source>
            <translation>모델의 추정은 마지막 쪽에 따로 표시했습니다.</translation>
        </message>
        <message>
            <source>Estimates made by a model are not included.</source>
            <translation>모델의 추정은 들어 있지 않습니다.</translation>
        </message>
        <message>
            <source>What I want to talk about</source>
            <translation>이야기하고 싶은 것</translation>
        </message>
        <message>
            <source>Nothing chosen.</source>
            <translation>고른 것이 없습니다.</translation>
        </message>
        <message>
            <source>The period</source>
            <translation>기간</translation>
        </message>
        <message>
            <source>My own ratings</source>
            <translation>내가 적은 점수</translation>
        </message>
        <message>
            <source>What went worse</source>
            <translation>더 힘들었던 것</translation>
        </message>
        <message>
            <source>What helped</source>
            <translation>도움이 된 것</translation>
        </message>
        <message>
            <source>Safety</source>
            <translation>안전</translation>
        </message>
        <message>
            <source>I would like to talk about my safety.</source>
            <translation>나의 안전에 대해 이야기하고 싶습니다.</translation>
        </message>
        <message>
            <source>What was left out</source>
            <translation>뺀 것</translation>
        </message>
        <message>
            <source>Summary for my therapist</source>
            <translation>상담자에게 드리는 요약</translation>
        </message>
        <message>
            <source>{start} to {end}, made on {made}</source>
            <translation>{start}부터 {end}까지, {made}에 만듦</translation>
        </message>
        <message>
            <source>Self-report, not a diagnosis. Made with Quiet Page, which is not a medical device.</source>
            <translation>스스로 적은 기록이며 진단이 아닙니다. Quiet Page로 만들었고 의료기기가 아닙니다.</translation>
        </message>
        <message>
            <source>Page {n} of {all}</source>
            <translation>{all}쪽 가운데 {n}쪽</translation>
        </message>
        <message>
            <source>{n} of {all}</source>
            <translation>{all} 가운데 {n}</translation>
        </message>
        <message>
            <source> (longest stretch {n})</source>
            <translation> (가장 길게 {n}일)</translation>
        </message>
        <message>
            <source>Entries</source>
            <translation>글</translation>
        </message>
        <message>
            <source>Days with an entry</source>
            <translation>글이 있는 날</translation>
        </message>
        <message>
            <source>Days without data</source>
            <translation>자료가 없는 날</translation>
        </message>
        <message>
            <source>Mood, mean</source>
            <translation>기분 평균</translation>
        </message>
        <message>
            <source>{mean:.1f} of 5 ({n} days)</source>
            <translation>5점에 {mean:.1f} ({n}일)</translation>
        </message>
        <message>
            <source>The period before</source>
            <translation>그 전 기간</translation>
        </message>
        <message>
            <source>{mean:.1f} ({n} days), change {change:+.1f}</source>
            <translation>{mean:.1f} ({n}일), 변화 {change:+.1f}</translation>
        </message>
        <message>
            <source>Lowest to highest</source>
            <translation>최저에서 최고</translation>
        </message>
        <message>
            <source>{low} to {high}</source>
            <translation>{low}에서 {high}</translation>
        </message>
        <message>
            <source>, change {change:+g}</source>
            <translation>, 변화 {change:+g}</translation>
        </message>
        <message>
            <source>No own ratings in these days.</source>
            <translation>이 기간에는 직접 적은 점수가 없습니다.</translation>
        </message>
        <message>
            <source>Mood as noted, dots</source>
            <translation>적은 기분은 점으로</translation>
        </message>
        <message>
            <source>estimate</source>
            <translation>추정</translation>
        </message>
        <message>
            <source>This page was made by a small language model that read {n} entries on my own computer. It describes words, not a person, was trained on public posts that are not diaries, and may be wrong. It is not a diagnosis.</source>
            <translation>이 쪽은 작은 언어 모델이 내 컴퓨터에서 글 {n}편을 읽고 만들었습니다. 사람이 아니라 글의 표현을 말하며, 일기가 아닌 공개 글로 배웠고 틀릴 수 있습니다. 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>Model: {names}.</source>
            <translation>모델: {names}.</translation>
        </message>
        <message>
            <source>Estimates made by a model</source>
            <translation>모델의 추정</translation>
        </message>
        <message>
            <source>No entry of these days has been read.</source>
            <translation>이 기간의 글은 아직 읽지 않았습니다.</translation>
        </message>
        <message>
            <source>Feelings in the words</source>
            <translation>글 속의 감정</translation>
        </message>
        <message>
            <source>Mean shares of what was read: {shares}.</source>
            <translation>읽은 것의 평균 비율: {shares}.</translation>
        </message>
        <message>
            <source>Shares of feelings</source>
            <translation>감정의 비율</translation>
        </message>
        <message>
            <source>Stress and low-mood signs in the words</source>
            <translation>글 속의 스트레스와 가라앉음의 기미</translation>
        </message>
        <message>
            <source>Days at each level</source>
            <translation>단계별 날</translation>
        </message>
        <message>
            <source>The same as a table</source>
            <translation>같은 내용을 표로</translation>
        </message>
    </context>
    <context>
        <name>trends</name>
        <message>
            <source>Feelings stood out in the words of {felt} of {days} days read, above all: {names}.</source>
            <translation>읽은 {days}일 가운데 {felt}일의 글에서 감정이 뚜렷했습니다. 무엇보다: {names}.</translation>
        </message>
        <message>
            <source>{n} entry is not counted here, since 25 years fit at most: {dates}.</source>
            <translation>한 번에 25년까지만 보여 주므로 일기 {n}편은 여기에 들어 있지 않습니다: {dates}.</translation>
        </message>
        <message>
            <source>{n} entries are not counted here, since 25 years fit at most: {dates}.</source>
            <translation>한 번에 25년까지만 보여 주므로 일기 {n}편은 여기에 들어 있지 않습니다: {dates}.</translation>
        </message>
        <message>
            <source>Estimates describe the text, may be wrong, and are not a diagnosis.</source>
            <translation>추정은 글의 표현을 말할 뿐이며 틀릴 수 있고 진단이 아닙니다.</translation>
        </message>
        <message>
            <source>Nothing was written in these days.</source>
            <translation>이 기간에는 쓴 글이 없습니다.</translation>
        </message>
        <message>
            <source>You wrote on {n} day of {all}.</source>
            <translation>{all}일 가운데 {n}일 썼습니다.</translation>
        </message>
        <message>
            <source>You wrote on {n} days of {all}.</source>
            <translation>{all}일 가운데 {n}일 썼습니다.</translation>
        </message>
        <message>
            <source>No own mood was noted.</source>
            <translation>직접 적은 기분이 없습니다.</translation>
        </message>
        <message>
            <source>Your own mood was noted once: {word}.</source>
            <translation>직접 적은 기분이 한 번 있습니다: {word}.</translation>
        </message>
        <message>
            <source>Your own mood was {word} on average ({mean:.1f} of 5, {n} days noted).</source>
            <translation>직접 적은 기분은 평균 {word}입니다(5점에 {mean:.1f}, {n}일 적음).</translation>
        </message>
        <message>
            <source>The second half was lighter than the first.</source>
            <translation>후반이 전반보다 가벼웠습니다.</translation>
        </message>
        <message>
            <source>The second half was heavier than the first.</source>
            <translation>후반이 전반보다 무거웠습니다.</translation>
        </message>
        <message>
            <source>Best day: {best}. Hardest day: {worst}.</source>
            <translation>가장 좋은 날: {best}. 가장 힘든 날: {worst}.</translation>
        </message>
        <message>
            <source>{name}: not sure on any day.</source>
            <translation>{name}: 어느 날도 확실하지 않습니다.</translation>
        </message>
        <message>
            <source>{name}: of {days} days read, {many} had many signs in their words.</source>
            <translation>{name}: 읽은 {days}일 가운데 {many}일의 글에 기미가 많았습니다.</translation>
        </message>
        <message>
            <source>{name}: of {days} days read, {many} had many signs in their words and {some} had some.</source>
            <translation>{name}: 읽은 {days}일 가운데 {many}일의 글에 기미가 많았고 {some}일에는 조금 있었습니다.</translation>
        </message>
        <message>
            <source>{name}: of {days} days read, {some} had some signs in their words.</source>
            <translation>{name}: 읽은 {days}일 가운데 {some}일의 글에 기미가 조금 있었습니다.</translation>
        </message>
        <message>
            <source>{name}: quiet in the words of {days} days read.</source>
            <translation>{name}: 읽은 {days}일의 글에서 잔잔했습니다.</translation>
        </message>
        <message>
            <source>Not sure on {n} more.</source>
            <translation>{n}일은 확실하지 않습니다.</translation>
        </message>
        <message>
            <source>That may be worth talking about with someone you trust.</source>
            <translation>믿는 사람과 이야기해 볼 만한 일일 수 있습니다.</translation>
        </message>
        <message>
            <source>Stress</source>
            <translation>스트레스</translation>
        </message>
        <message>
            <source>Low-mood signs</source>
            <translation>가라앉음의 기미</translation>
        </message>
        <message>
            <source>Help card offered</source>
            <translation>도움 카드를 보인 날</translation>
        </message>
        <message>
            <source>Jan</source>
            <translation>1월</translation>
        </message>
        <message>
            <source>Feb</source>
            <translation>2월</translation>
        </message>
        <message>
            <source>Mar</source>
            <translation>3월</translation>
        </message>
        <message>
            <source>Apr</source>
            <translation>4월</translation>
        </message>
        <message>
            <source>May</source>
            <translation>5월</translation>
        </message>
        <message>
            <source>Jun</source>
            <translation>6월</translation>
        </message>
        <message>
            <source>Jul</source>
            <translation>7월</translation>
        </message>
        <message>
            <source>Aug</source>
            <translation>8월</translation>
        </message>
        <message>
            <source>Sep</source>
            <translation>9월</translation>
        </message>
        <message>
            <source>Oct</source>
            <translation>10월</translation>
        </message>
        <message>
            <source>Nov</source>
            <translation>11월</translation>
        </message>
        <message>
            <source>Dec</source>
            <translation>12월</translation>
        </message>
        <message>
            <source>{day} {month} {year}</source>
            <translation>{year}년 {month} {day}일</translation>
        </message>
        <message>
            <source>{day} {month}</source>
            <translation>{month} {day}일</translation>
        </message>
    </context>
</TS>
