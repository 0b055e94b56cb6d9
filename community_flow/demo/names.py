"""Invented names as they occur in a Chinese neighbourhood: compound surnames, rare characters and names with ·."""

from __future__ import annotations

from random import Random

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜"
    "崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常"
)
COMPOUND = ("欧阳", "上官", "司马", "诸葛", "司徒", "尉迟", "皇甫", "慕容")
FEMALE = (
    "芳娜敏静秀娟英华慧巧美淑惠珠翠雅芝玉萍红娥玲芬燕彩春菊兰凤洁梅琳素云莲真环雪荣爱妹霞香月莺媛艳瑞凡佳嘉琼桂娣叶"
    "璧璐娅琦晶妍茜秋珊莎锦黛青倩婷姣婉娴瑾颖露瑶怡婵雁蓓纨仪荷丹蓉眉君琴蕊薇菁梦岚苑婕馨瑗琰韵融园艺咏卿聪澜纯毓悦"
    "昭冰爽琬茗羽希欣"
)
MALE = (
    "伟刚勇毅俊峰强军平保东文辉力明永健世广志义兴良海山仁波宁贵福生龙元全国胜学祥才发武新利清飞彬富顺信子杰涛昌成康"
    "星光天达安岩中茂进林有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆磊民友裕河哲江超浩亮政谦亨奇固之轮翰朗伯"
    "宏言若鸣朋斌梁栋维启克伦翔旭鹏泽晨辰士以建家致树炎德行时泰盛雄琛钧冠策腾楠榕风航弘"
)
# Characters that registers and fonts get wrong: outside GB 2312, and one outside the basic plane.
RARE = ("喆", "犇", "淼", "骉", "䶮", "㛃", "垚", "翀", "玥", "𬭎")
DOTTED = (
    "阿依古丽·买买提",
    "买买提江·吐尔逊",
    "古丽娜尔·艾力",
    "艾克拜尔·阿不都",
    "迪丽努尔·肉孜",
    "巴图·孟和",
    "扎西·次仁",
    "卓玛·央金",
)


def surname(rng: Random) -> str:
    """A family name; the common ones come more often, one in fifty is compound."""
    if rng.random() < 0.02:
        return rng.choice(COMPOUND)
    return SURNAMES[min(int(rng.expovariate(1 / 22)), len(SURNAMES) - 1)]


def given(rng: Random, female: bool) -> str:
    """One or two characters; one in sixty is rare."""
    letters = FEMALE if female else MALE
    first = rng.choice(RARE) if rng.random() < 1 / 60 else rng.choice(letters)
    return first if rng.random() < 0.22 else first + rng.choice(letters)


def full_name(rng: Random, family: str, female: bool) -> str:
    """The name of a member of ``family``; now and then somebody whose name has another form."""
    if rng.random() < 0.006:
        return rng.choice(DOTTED)
    return family + given(rng, female)
